// `npm run images`: builds the image of every service and prints its name and size. What is given behind `--` goes to
// `docker build` as it is.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor', 'gateway']
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

/** @returns what it printed; what it said is shown only when it fails */
function docker(...args) {
  return new Promise((resolve, reject) => {
    let printed = ''
    const child = spawn('docker', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk) => {
      printed += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', (error) => reject(new Error(`docker cannot be run: ${error.message}`)))
    child.once('close', (code) =>
      code === 0
        ? resolve(printed.trim())
        : reject(new Error(`docker ${args.join(' ')} failed:\n${printed}`)),
    )
  })
}

/** Bytes of the image, and of what lies on top of the base image that all of them share. */
async function sizeOf(image) {
  const total = Number(await docker('image', 'inspect', '--format', '{{.Size}}', image))
  const layers = await docker('history', '--human=false', '--format', '{{.Size}} {{.CreatedBy}}', image)
  const own = layers
    .split('\n')
    .filter((line) => /COPY (dir|--from|\/app)|COPY \//.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ')[0]), 0)
  return { total, own }
}

const megabytes = (bytes) => `${(bytes / 1_000_000).toFixed(1)} MB`.padStart(9)

try {
  for (const service of SERVICES) {
    const image = `poolmesh/${service}:${version}`
    const begun = performance.now()
    const given = process.argv.slice(2)
    await docker(
      ...['build', ...given, '--file', 'infra/docker/Dockerfile'],
      ...['--build-arg', `SERVICE=${service}`, '--tag', image, '.'],
    )
    const { total, own } = await sizeOf(image)
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    process.stdout.write(
      `${image.padEnd(32)} ${megabytes(total)}, of which its own ${megabytes(own)} (built in ${seconds} s)\n`,
    )
  }
} catch (error) {
  process.stderr.write(`poolmesh: ${error.message}\n`)
  process.exitCode = 1
}
