// `npm run release`: an executable for each target, SHA256SUMS and the bill of materials, in dist/.

import { join } from 'node:path'
import { createExecutable } from './executable.ts'
import { PACKAGES, type Target } from './runtime.ts'
import { createBill } from './sbom.ts'

const dist = join(import.meta.dir, '..', 'dist')

const names: string[] = []
for (const target of Object.keys(PACKAGES) as Target[]) {
  const name = `gatehouse-${target}`
  await createExecutable(join(dist, name), target)
  names.push(name)
}
await Bun.write(join(dist, 'gatehouse.cdx.json'), await createBill())
names.push('gatehouse.cdx.json')

const sums: string[] = []
for (const name of names) {
  const bytes = await Bun.file(join(dist, name)).bytes()
  sums.push(`${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}  ${name}\n`)
}
await Bun.write(join(dist, 'SHA256SUMS'), sums.join(''))
console.log(sums.join('').trimEnd())
