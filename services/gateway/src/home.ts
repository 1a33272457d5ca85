import type { Plug } from './plugs.ts'
import type { Readiness } from './readiness.ts'

export const home = (probe: () => Promise<Readiness>): Plug => ({
  page: async (path) =>
    path === '/'
      ? {
          status: 200,
          headers: {
            'content-type': 'text/html; charset=utf-8',
            'content-security-policy':
              "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
          },
          body: homePage(await probe()),
        }
      : null,
})

/** What a person sees who opens the gateway's address. Nothing in it comes from users. */
function homePage(readiness: Readiness): string {
  const parts = Object.entries(readiness.parts)
    .map(([name, state]) => `<tr><td>${name}</td><td class="${state}">${state}</td></tr>`)
    .join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>poolmesh</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark }
td { padding: .2rem 2rem .2rem 0 }
.up { color: #1a7f37 }
.down { color: #cf222e }
</style>
</head>
<body>
<h1>poolmesh</h1>
<p>Tasks published on NATS, routed to the pool that fits best, ended in exactly one result.</p>
<h2>${readiness.ready ? 'Ready' : 'Not ready'}</h2>
<table>${parts}</table>
<p>For programs: <a href="/healthz">/healthz</a> (this process is up), <a href="/readyz">/readyz</a> (tasks can run),
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a> (what is served).</p>
<p>In a terminal, <code>npx poolmesh pools list</code> shows the pools and
<code>npx poolmesh submit --help</code> how to run a task.</p>
</body>
</html>
`
}
