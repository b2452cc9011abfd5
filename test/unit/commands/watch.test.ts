import { expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { watch } from '../../../src/commands/watch.ts'
import { until } from '../../e2e/until.ts'

const NOBODY = 65534

test('files that may no longer be looked at are waited for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'))
  writeFileSync(join(folder, 'kong.yaml'), 'one')
  chmodSync(folder, 0o755)
  let changes = 0
  // The rights of files do not bind root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(NOBODY)
  const stop = watch([folder], () => changes++)
  const setMode = (mode: number) => {
    if (isRoot) process.seteuid?.(0)
    chmodSync(folder, mode)
    if (isRoot) process.seteuid?.(NOBODY)
  }
  try {
    setMode(0o444)
    await until('the files that may not be looked at', () => changes === 1)
    setMode(0o755)
    await until('the files that may be looked at again', () => changes === 2)
  } finally {
    stop()
    if (isRoot) process.seteuid?.(0)
    chmodSync(folder, 0o755)
    rmSync(folder, { recursive: true })
  }
  expect(changes).toBe(2)
})
