// Runs before `npm start`, `npm test` and `npm run …`, on whatever Node the machine has (20 or newer): installs
// the locked dependencies with pnpm, among them the Node 24 that runs everything else. Does nothing when the
// lockfile and the workspace are as they were at the last install, which keeps a later start fast.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PNPM = 'pnpm@12.21.0'
const STAMP = 'node_modules/.poolmesh-install'

function manifests() {
  const found = ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml']
  for (const group of ['packages', 'services', 'examples']) {
    if (!existsSync(group)) continue
    for (const name of readdirSync(group).sort()) {
      const file = join(group, name, 'package.json')
      if (existsSync(file)) found.push(file)
    }
  }
  return found.filter((file) => existsSync(file))
}

function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  for (const file of manifests()) hash.update(file).update(readFileSync(file))
  return hash.digest('hex')
}

/** What npm and pnpm say when no registry can be reached. */
const NO_NETWORK =
  /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|META_FETCH_FAIL/

/** Runs pnpm; what it says is kept for a failure, 64 KiB at most. */
function install() {
  const frozen = existsSync('pnpm-lock.yaml') ? ['--frozen-lockfile'] : []
  const args = ['--yes', PNPM, 'install', ...frozen, '--reporter=append-only', '--loglevel=warn']
  return new Promise((resolve) => {
    let said = ''
    const child = spawn('npx', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
      // npm's own patience would be more than a minute without a network.
      env: {
        npm_config_fetch_retry_mintimeout: '1000',
        npm_config_fetch_retry_maxtimeout: '5000',
        ...process.env,
        CI: 'true',
      },
    })
    const keep = (chunk) => {
      if (said.length < 65_536) said += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.once('error', (error) => resolve({ done: false, said: error.message }))
    child.once('close', (code) => resolve({ done: code === 0, said }))
  })
}

const wanted = fingerprint()
const installed = existsSync(STAMP) ? readFileSync(STAMP, 'utf8') : ''
if (installed !== wanted || !existsSync('node_modules/.bin/node')) {
  process.stderr.write('poolmesh: installing dependencies, which takes half a minute the first time …\n')
  // Gone until all is there: an installation that is interrupted is done again.
  rmSync(STAMP, { force: true })
  const { done, said } = await install()
  if (!done) {
    if (NO_NETWORK.test(said))
      process.stderr.write(
        'poolmesh: the package registry cannot be reached. The first start needs the network once; nothing was started.\n',
      )
    else
      process.stderr.write(
        `${said.trimEnd()}\npoolmesh: the installation failed, see above. Nothing was started.\n`,
      )
    process.exit(1)
  }
  writeFileSync(STAMP, fingerprint())
}
