// What is shown where the page is not there yet, or cannot be built.
import { createHash } from 'node:crypto'

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}pre{white-space:pre-wrap;overflow-wrap:anywhere}'

/** The style is allowed by its hash alone. */
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'`

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** @param reason what the build said; null: it goes on, and the page looks again by itself */
export function noticePage(
  message: string,
  reason: string | null,
): { headers: Record<string, string>; body: Buffer } {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${reason === null ? '<meta http-equiv="refresh" content="2">\n' : ''}<title>poolmesh</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>poolmesh</h1>
<p>${escaped(message)}</p>
${reason === null ? '' : `<pre>${escaped(reason)}</pre>\n<p>To see more: <code>npm run build</code> in <code>packages/web</code>; then start again.</p>\n`}<p>For programs: <a href="/healthz">/healthz</a> (this process is up), <a href="/readyz">/readyz</a> (tasks can run).
In a terminal, <code>npx poolmesh pools list</code> shows the pools.</p>
</main>
</body>
</html>
`
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
    },
    body: Buffer.from(html),
  }
}
