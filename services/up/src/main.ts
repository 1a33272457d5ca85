// `npm start`: everything on this machine, with a sample that shows results.
import { keepCompiled } from './compile-cache.ts'

keepCompiled()
const { up } = await import('./up.ts')
await up()
