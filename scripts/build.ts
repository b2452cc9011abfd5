// `npm run build`: dist/gatehouse for this machine.

import { join } from 'node:path'
import { createExecutable } from './executable.ts'

const path = join(import.meta.dir, '..', 'dist', 'gatehouse')
await createExecutable(path)
console.log(`dist/gatehouse  ${(Bun.file(path).size / 1e6).toFixed(1)} MB`)
