// The built page, out of memory: it is small, and no path that somebody asks for ever becomes a path of the disk.
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import { buildIfNeeded, DIST } from './build.ts'
import { noticePage } from './notice.ts'

export interface Answer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

export interface Page {
  /**
   * What a GET of a path is answered with; null: the path is none of the page's.
   * @param acceptEncoding the header of the request
   */
  answer(path: string, acceptEncoding: string): Answer | null
  /** Resolves when the page is there, or cannot be: until then a notice is answered. */
  settled: Promise<void>
}

interface Asset {
  headers: Record<string, string>
  plain: Buffer
  br: Buffer | null
  gzip: Buffer | null
}

/** Scripts, styles and connections from here alone; no frame, no form that goes elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** Addresses of the page, as its own main.tsx has them: what is not there is said so, and not answered with the page. */
const PLACES = /^\/(pools|tasks|fanouts|dead|alerts|submit)(\/[^/]*)?$/

interface Log {
  warn(fields: object, message: string): void
}

/** Another gateway that puts a newer page in place takes away what is being read. */
const TRIES = 5

/** Begins to build or read the page, and answers from now on. */
export function openPage(log: Log, prepare = buildIfNeeded, folder = DIST): Page {
  let assets = new Map<string, Asset>()
  let notice = noticePage('The page is being built, which takes a few seconds.', null)
  const open = async (tries = TRIES): Promise<void> => {
    const built = await prepare()
    if (built.kind !== 'ready') throw new Error(built.reason)
    try {
      assets = await load(folder)
    } catch (error) {
      if (tries === 1) throw error
      await open(tries - 1)
    }
  }
  const settled = open().catch((error: unknown) => {
    const reason = (error as Error).message
    notice = noticePage('The page could not be built. Everything else works.', reason)
    log.warn({ reason }, 'the web page could not be built; everything else works')
  })
  return {
    settled,
    answer(path, acceptEncoding) {
      const asset = assets.get(path)
      if (asset) return encoded(asset, acceptEncoding)
      if (path !== '/' && !PLACES.test(path)) return null
      const index = assets.get('/')
      if (index) return encoded(index, acceptEncoding)
      return { status: 200, headers: notice.headers, body: notice.body }
    },
  }
}

function encoded({ headers, plain, br, gzip }: Asset, accepted: string): Answer {
  const coding = br && /\bbr\b/.test(accepted) ? 'br' : gzip && /\bgzip\b/.test(accepted) ? 'gzip' : null
  const body = (coding === 'br' ? br : coding === 'gzip' ? gzip : null) ?? plain
  return { status: 200, headers: coding ? { ...headers, 'content-encoding': coding } : headers, body }
}

async function load(folder: string): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const name = `/${relative(folder, file).split(sep).join('/')}`
    const plain = await readFile(file)
    assets.set(name === '/index.html' ? '/' : name, {
      headers: {
        ...HEADERS,
        'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
        // Names of assets have a hash of what is in them.
        'cache-control': name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        vary: 'accept-encoding',
      },
      plain,
      br: await promisify(brotliCompress)(plain),
      gzip: await promisify(gzip)(plain),
    })
  }
  if (!assets.has('/')) throw new Error('there is no index.html')
  return assets
}
