// An empty project of somebody else's, and what is installed and run in it.
import { type ExecFileException, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs a command to its end. */
export function command(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      { cwd: options.cwd, env: surroundings(options.env), maxBuffer: 16 * 1024 * 1024, timeout: 120_000 },
      (error: ExecFileException | null, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    )
  })
}

/** Without what npm and the tests set for what they start. */
const surroundings = (changes: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_(?!config_)|NATS_URL$|NODE_OPTIONS$|NODE_ENV$|VITEST|POOLMESH_|MAHAVISHNU_)/.test(name),
    ),
  ),
  ...changes,
})

export interface RunningProgram extends AsyncDisposable {
  printed(): string
  /** At once, where it still runs. */
  kill(): void
}

/** A program that goes on until it is disposed, with a SIGTERM, and then ends with 0. */
export function startProgram(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): RunningProgram {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: surroundings(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    printed: () => printed,
    kill: () => void child.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const code = await ended
      if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${printed}`)
    },
  }
}

export class Project implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'poolmesh-project-')))
    await project.write('package.json', JSON.stringify({ name: 'empty', private: true, type: 'module' }))
    return project
  }

  /** @throws Error with what npm said */
  async install(packages: readonly string[]): Promise<void> {
    const args = [
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--fetch-retries=1',
      '--fetch-retry-mintimeout=1000',
      '--fetch-retry-maxtimeout=3000',
      '--no-audit',
      '--no-fund',
    ]
    const { code, stderr } = await command('npm', [...args, ...packages], { cwd: this.folder })
    if (code !== 0) throw new Error(`npm install failed: ${stderr}`)
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** The first block of code of a document, in a language. */
export async function codeOf(document: string, language: string): Promise<string> {
  const text = await readFile(document, 'utf8')
  const code = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'm').exec(text)?.[1]
  if (code === undefined) throw new Error(`${document} shows no ${language}`)
  return code
}
