// `poolmesh completion`: what bash itself, which has read the script, offers for a line that ends where the cursor is.
import { spawn, spawnSync } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { environment, follow, start } from './system.ts'

let script: string
beforeAll(async () => {
  const { code, stdout, stderr } = await start(['completion', 'bash']).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  script = stdout
})

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

test.each(['zsh', 'fish'])('%s reads its script', async (shell) => {
  const { code, stdout } = await start(['completion', shell]).ended
  expect(code).toBe(0)
  for (const word of ['tasks list', 'round_robin', 'markdown']) expect(stdout).toContain(word)
  if (spawnSync(shell, ['--version']).error) {
    process.stderr.write(`${shell} is not installed: whether it can read its script is not tried\n`)
    return
  }
  const check = spawn(shell, ['-n', '/dev/stdin'], { env: environment({}) })
  expect(await follow(check, stdout).ended).toMatchObject({ code: 0, stderr: '' })
})

test('another shell is wrong usage', async () => {
  const { code, stdout, stderr } = await start(['completion', 'tcsh']).ended
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/'tcsh' is invalid.*Allowed choices are bash, zsh, fish/)
})
