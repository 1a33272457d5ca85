// Completion for each shell: which command the words before the cursor name, then what can follow it.
import type { CompletedCommand, CompletedOption } from './words.ts'

/** In single quotes of bash and zsh. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
/** In single quotes of fish, where a backslash is one that escapes. */
const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const flagsOf = ({ options }: CompletedCommand): string[] => options.flatMap(({ flags }) => flags)
const valued = ({ options }: CompletedCommand): CompletedOption[] =>
  options.filter(({ takesValue }) => takesValue)
const places = (commands: readonly CompletedCommand[], separator: string): string =>
  commands
    .map(({ at }) => at)
    .filter((at) => at !== '')
    .map(quote)
    .join(separator)

const bashValue = ({ at }: CompletedCommand, { flags, choices }: CompletedOption): string =>
  `    ${flags.map((flag) => quote(`${at} ${flag}`)).join('|')}) COMPREPLY=($(compgen -W ${quote(choices.join(' '))} -- "$cur")); return ;;`

export const bashCompletion = (commands: readonly CompletedCommand[]): string => `# poolmesh completion bash
_poolmesh() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at='' words='' options='' i
  # --option=value comes as three words.
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${places(commands, '|')}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at $prev" in
${commands.flatMap((command) => valued(command).map((option) => bashValue(command, option))).join('\n')}
  esac
  case "$at" in
${commands.map((command) => `    ${quote(command.at)}) words=${quote(command.words.map(({ word }) => word).join(' '))} options=${quote(flagsOf(command).join(' '))} ;;`).join('\n')}
  esac
  if [[ $cur == -* || -z $words ]]; then words=$options; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _poolmesh poolmesh
`

const described = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([word, meaning]) => quote(`${word.replaceAll(':', '\\:')}:${meaning}`)).join(' ')

const zshValue = ({ at }: CompletedCommand, { flags, choices }: CompletedOption): string =>
  `    ${flags.map((flag) => quote(`${at} ${flag}`)).join('|')}) ${choices.length === 0 ? '_files' : `compadd -- ${choices.map(quote).join(' ')}`}; return ;;`

export const zshCompletion = (commands: readonly CompletedCommand[]): string => `#compdef poolmesh
_poolmesh() {
  local at='' word prev=\${words[CURRENT-1]}
  local -a found options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      ${places(commands, '|')}) at="$at $word" ;;
    esac
  done
  case "$at $prev" in
${commands.flatMap((command) => valued(command).map((option) => zshValue(command, option))).join('\n')}
  esac
  case "$at" in
${commands.map((command) => `    ${quote(command.at)}) found=(${described(command.words.map(({ word, meaning }) => [word, meaning]))}) options=(${described(command.options.flatMap(({ flags, meaning }) => flags.map((flag) => [flag, meaning] as const)))}) ;;`).join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* || \${#found} -eq 0 ]]; then found=("\${options[@]}"); fi
  _describe 'poolmesh' found
}
if [[ \${funcstack[1]} == _poolmesh ]]; then _poolmesh "$@"; else compdef _poolmesh poolmesh; fi
`

function fishLines({ at, words, options }: CompletedCommand): string[] {
  const here = `complete -c poolmesh -n ${fishQuote(`__poolmesh_at ${fishQuote(at)}`)}`
  return [
    ...words.map(({ word, meaning }) => `${here} -f -a ${fishQuote(word)} -d ${fishQuote(meaning)}`),
    ...options.map(({ flags, meaning, takesValue, choices }) => {
      const names = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      )
      const value = choices.length > 0 ? ` -x -a ${fishQuote(choices.join(' '))}` : takesValue ? ' -r' : ''
      return `${here} ${names.join(' ')}${value} -d ${fishQuote(meaning)}`
    }),
  ]
}

export const fishCompletion = (commands: readonly CompletedCommand[]): string => `# poolmesh completion fish
function __poolmesh_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case ${places(commands, ' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${commands.flatMap(fishLines).join('\n')}
`
