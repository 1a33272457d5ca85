// `poolmesh completion`: what the shell itself, which has read the script, offers for a line that ends where the cursor is.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { environment, follow, start } from './system.ts'

let script: string
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-completion-'))
  const { code, stdout, stderr } = await start(['completion', 'bash']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  script = stdout
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** @param words of the line; the last is what is being typed */
async function offered(...words: string[]): Promise<string[]> {
  const ask = `COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; _poolmesh; printf "%s\\n" "\${COMPREPLY[@]}"`
  const bash = spawn('bash', ['--norc', '-uc', `${script}\n${ask}`, 'poolmesh', ...words], {
    env: environment({}),
  })
  const { code, stdout, stderr } = await follow(bash).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.split('\n').filter(Boolean)
}

test('bash completes commands, options and what an option may be', async () => {
  expect(await offered('po')).toEqual(['pools'])
  expect(await offered('')).toEqual(
    expect.arrayContaining(['tasks', 'pools', 'completion', 'config', 'help']),
  )
  expect(await offered('tasks', 'su')).toEqual(['submit'])
  expect(await offered('pools', 'list', '--a')).toEqual(['--active'])
  expect(await offered('pools', 'list', '')).toEqual(expect.arrayContaining(['--region', '--format', '-c']))
  expect(await offered('pools', 'get', '--active')).toEqual([])
  expect(await offered('pools', 'list', '--format', '')).toEqual(['table', 'json', 'markdown'])
  expect(await offered('pools', 'list', '--active', '--format', '=', 'm')).toEqual(['markdown'])
  expect(await offered('pools', 'list', '--format', '=')).toEqual(['table', 'json', 'markdown'])
  expect(await offered('submit', 'text.words', '--strategy', 'round')).toEqual(['round_robin'])
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish'])
})

test('where anything may be typed, bash is left to offer files', async () => {
  expect(await offered('submit', 'x', '--payload', '')).toEqual([])
  expect(script).toMatch(/^complete -o default -F _poolmesh poolmesh$/m)
})

/** The script of the shell in a file, or null where the shell is not installed. */
async function scriptFor(shell: string): Promise<string | null> {
  const { code, stdout } = await start(['completion', shell]).ended
  expect(code).toBe(0)
  for (const word of ['tasks list', 'round_robin', 'markdown']) expect(stdout).toContain(word)
  const file = join(folder, shell)
  await writeFile(file, stdout)
  if (!spawnSync(shell, ['--version']).error) return file
  process.stderr.write(`${shell} is not installed: whether it can read its script is not tried\n`)
  return null
}

/** A zsh at a pseudo-terminal: each line is typed into it, completed, and printed as it then stands. */
const TYPIST = String.raw`
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; autoload -Uz compinit && compinit -u -D && source $1"
zpty -w shell 'show() { print -r -- "<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X^B" show; bindkey "^I" complete-word; print -r -- "<re""ady>"'
zpty -r shell said '*<ready>*'
for line in "\${@:2}"; do
  zpty -n -w shell "$line"$'\t\x18\x02'
  zpty -r shell said '*<poolmesh*>*'
  print -r -- "\${\${said##*<}%%>*}"
done
zpty -d shell
`.replaceAll('\\$', '$')

test('zsh completes commands, options and what an option may be', async () => {
  const file = await scriptFor('zsh')
  if (file === null) return
  const lines = [
    ['poolmesh po', 'poolmesh pools '],
    ['poolmesh tasks su', 'poolmesh tasks submit '],
    ['poolmesh pools list --a', 'poolmesh pools list --active '],
    ['poolmesh pools list --format js', 'poolmesh pools list --format json '],
    ['poolmesh submit x --strategy round', 'poolmesh submit x --strategy round_robin '],
  ]
  const typed = lines.map(([line = '']) => line)
  const zsh = spawn('zsh', ['-f', '-c', TYPIST, 'typist', file, ...typed], {
    env: environment({ HOME: folder }),
  })
  const { code, stdout, stderr } = await follow(zsh).ended
  expect({ code, stderr, lines: stdout.split('\n').filter(Boolean) }).toEqual({
    code: 0,
    stderr: '',
    lines: lines.map(([, completed]) => completed),
  })
})

test('fish completes commands, options and what an option may be', async () => {
  const file = await scriptFor('fish')
  if (file === null) return
  const offers = async (line: string): Promise<string[]> => {
    const ask = ['-N', '-c', `source ${file}; complete -C '${line}'`]
    const { code, stdout, stderr } = await follow(spawn('fish', ask, { env: environment({ HOME: folder }) }))
      .ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout.split('\n').flatMap((found) => found.split('\t')[0] || [])
  }
  expect(await offers('poolmesh po')).toEqual(['pools'])
  expect(await offers('poolmesh tasks su')).toEqual(['submit'])
  expect(await offers('poolmesh pools list --a')).toContain('--active')
  expect((await offers('poolmesh pools list --format ')).sort()).toEqual(['json', 'markdown', 'table'])
})

test('another shell is wrong usage', async () => {
  const { code, stdout, stderr } = await start(['completion', 'tcsh']).ended
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/'tcsh' is invalid.*Allowed choices are bash, zsh, fish/)
})
