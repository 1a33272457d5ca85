// `npm run service -- NAME`: one service alone, as many as wanted.
import { keepCompiled } from './compile-cache.ts'

keepCompiled()
const { runService } = await import('./run-service.ts')
await runService(process.argv[2])
