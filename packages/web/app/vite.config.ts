import { defineConfig } from 'vite'

export default defineConfig({
  build: {
    // Beside the sources that Node runs: the gateway serves it from there.
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2023',
    // The policy of the page allows no data: scripts or styles, and two small files are no burden.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npm run dev` beside a running system.
  server: { proxy: { '^/(api|readyz|healthz)': 'http://127.0.0.1:8080' } },
})
