// The code in the documents is code: TypeScript is checked against the packages, all else is at least read by its language, and
// commands are commands that there are.
import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type CodeBlock, codeBlocks, DOCUMENTS, ROOT, read } from './markdown.ts'

interface Placed extends CodeBlock {
  /** `document:line` */
  where: string
}
const blocks: Placed[] = DOCUMENTS.flatMap((name) =>
  codeBlocks(read(name)).map((block) => ({ ...block, where: `${name}:${block.line}` })),
)
const of = (...languages: string[]): Placed[] => blocks.filter(({ language }) => languages.includes(language))
const BIN = join(ROOT, 'node_modules', '.bin')
const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH']}`, NO_COLOR: '1' }

/** Runs a program with text as its input. @returns what it objects to */
function objections(file: string, args: string[], input: string): string | null {
  const { status, stderr, error } = spawnSync(file, args, { input, encoding: 'utf8', env })
  return status === 0 ? null : (error?.message ?? stderr)
}

test('only languages that are checked here, or none', () => {
  // The last are read by nobody here.
  const known = ['ts', 'js', 'json', 'yaml', 'sh', 'python', '', 'text', 'http', 'promql']
  expect(blocks.filter(({ language }) => !known.includes(language)).map(({ where }) => where)).toEqual([])
})

test('TypeScript has the right types', async () => {
  // Inside of the repository, so that its packages are found; each block is a module.
  await mkdir(join(ROOT, '.poolmesh'), { recursive: true })
  const folder = await mkdtemp(join(ROOT, '.poolmesh', 'documents-'))
  try {
    const typed = of('ts')
    expect(typed.length).toBeGreaterThan(10)
    for (const [i, { code }] of typed.entries())
      await writeFile(join(folder, `block${i}.ts`), `${code}\nexport {}\n`)
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        include: ['*.ts'],
        compilerOptions: {
          noUnusedLocals: false,
          noUnusedParameters: false,
          // Of a package that is not the root's dependency.
          paths: { '@poolmesh/adapters/conformance': ['../../packages/adapters/conformance/index.ts'] },
          typeRoots: ['../../node_modules/@types'],
        },
      }),
    )
    const checker = spawn(join(BIN, 'tsc'), ['--noEmit', '--pretty', 'false', '-p', folder], {
      cwd: folder,
      env,
    })
    let said = ''
    checker.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await new Promise((resolve) => checker.once('close', resolve))
    expect(said.replace(/block(\d+)\.ts/g, (_, i) => typed[Number(i)]?.where ?? '')).toBe('')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('JavaScript can be read', () => {
  const wrong = of('js').map(({ where, code }) => [
    where,
    objections(process.execPath, ['--input-type=module', '--check'], code),
  ])
  expect(wrong.filter(([, why]) => why !== null)).toEqual([])
})

test('JSON and YAML can be read', () => {
  for (const { where, code } of of('json')) expect(() => JSON.parse(code), where).not.toThrow()
  for (const { where, code } of of('yaml')) expect(() => parse(code), where).not.toThrow()
})

test('shell can be read', () => {
  const wrong = of('sh').map(({ where, code }) => [where, objections('bash', ['-n'], code)])
  expect(wrong.filter(([, why]) => why !== null)).toEqual([])
})

const noPython = objections('python3', ['--version'], '')
if (noPython !== null)
  process.stdout.write('poolmesh: there is no python3: Python in documents is not read\n')
test.skipIf(noPython !== null)('Python can be read', () => {
  const read = 'import ast, sys; compile(sys.stdin.read(), "-", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)'
  const wrong = of('python').map(({ where, code }) => [where, objections('python3', ['-c', read], code)])
  expect(wrong.filter(([, why]) => why !== null)).toEqual([])
})

test('the commands of poolmesh that are named are there', async () => {
  const named = new Set<string>()
  for (const name of DOCUMENTS)
    if (name !== 'CHANGELOG.md')
      for (const [, words = ''] of read(name).matchAll(/npx poolmesh((?: [a-z][a-z-]*){0,2})/g))
        named.add(words.trim())
  expect(named.size).toBeGreaterThan(5)
  const { stdout } = spawnSync('poolmesh', ['--help'], { env, encoding: 'utf8' })
  const commands = (help: string): string[] =>
    [...help.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, word = '']) => word)
  const groups = new Map<string, string[]>()
  const unknown: string[] = []
  for (const words of named) {
    const [first, second] = words.split(' ')
    if (!first) continue
    if (!commands(stdout).includes(first)) unknown.push(words)
    else if (second) {
      if (!groups.has(first))
        groups.set(
          first,
          commands(spawnSync('poolmesh', [first, '--help'], { env, encoding: 'utf8' }).stdout),
        )
      const within = groups.get(first) ?? []
      // A command with no commands below it takes the word as it is.
      if (within.includes('help') && !within.includes(second)) unknown.push(words)
    }
  }
  expect(unknown).toEqual([])
})
