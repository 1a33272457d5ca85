// The project's documents, and what is in them.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')
export const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

/** All that are not ignored, whether they are committed yet or not. */
export const DOCUMENTS: readonly string[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate', '*.md'],
  { cwd: ROOT, encoding: 'utf8' },
)
  .trim()
  .split('\n')

export interface CodeBlock {
  /** The word behind the fence, in small letters; empty where there is none. */
  language: string
  /** What else is behind it: `key=value`. */
  marks: Record<string, string>
  code: string
  /** Of the fence, from 1. */
  line: number
}

export function codeBlocks(text: string): CodeBlock[] {
  return [...text.matchAll(/^```(\w*)([^\n]*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', rest = '', code = ''], i, all) => ({
      language: language.toLowerCase(),
      marks: Object.fromEntries([...rest.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value])),
      code,
      line: text.slice(0, all[i]?.index).split('\n').length,
    }),
  )
}

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '')

/** The names that headings can be linked by, as GitHub makes them. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of withoutCode(text).matchAll(/^#{1,6} +(.+)$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const plain = words.replace(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-')
    let anchor = plain
    for (let again = 1; anchors.has(anchor); again++) anchor = `${plain}-${again}`
    anchors.add(anchor)
  }
  return anchors
}

/** What links and images point to, but for addresses of the net. */
export function linksOf(text: string): { path: string; anchor: string | null }[] {
  const found = withoutCode(text)
    .replace(/`[^`\n]*`/g, '')
    .matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)
  return [...found].map(([, link = '']) => {
    const [path = '', anchor = null] = link.split('#')
    return { path, anchor }
  })
}
