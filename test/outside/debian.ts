// What tests need beside Node, from Debian's packages where this process may install them.
import { execFileSync } from 'node:child_process'

const INSTALL_MS = 240_000

const works = (probe: readonly string[]): boolean => {
  const [file = '', ...args] = probe
  try {
    execFileSync(file, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * @param probe a command that succeeds where all is there
 * @param packages that are installed where it does not
 * @returns why it is missing, which is printed too; null: it is there
 */
export function missing(what: string, probe: readonly string[], packages: readonly string[]): string | null {
  if (works(probe)) return null
  let why = `needs ${packages.join(', ')}, which only root can install`
  if (process.getuid?.() === 0 && works(['apt-get', '--version'])) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const options = { stdio: 'ignore', env, timeout: INSTALL_MS } as const
    const install = ['install', '-y', '--no-install-recommends', ...packages]
    try {
      execFileSync('apt-get', install, options)
    } catch {
      // Lists that are old or missing; then once more.
      try {
        execFileSync('apt-get', ['update'], options)
        execFileSync('apt-get', install, options)
      } catch {
        why = `apt-get cannot install ${packages.join(', ')}`
      }
    }
    if (works(probe)) return null
  }
  process.stdout.write(`poolmesh: ${what}: skipped: ${why}\n`)
  return why
}
