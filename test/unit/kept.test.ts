import { expect, test } from 'bun:test'
import { Kept } from '../../src/kept.ts'

/** Something that notes when it is disposed of. */
function noting(name: string, ended: string[]) {
  return () => ({ [Symbol.dispose]: () => void ended.push(name) })
}

test('what no plugin asks for after a reload is let go after the grace, what they ask for is not', async () => {
  const ended: string[] = []
  await using kept = new Kept(20)
  const before = new Set<string>()
  kept.keep('own', noting('own', ended))
  kept.keep('used', noting('used', ended), before)
  kept.keep('unused', noting('unused', ended), before)
  const proofs = kept.keep('proofs', () => ({}), before)
  kept.takeOver(before)
  const after = new Set<string>()
  kept.keep('used', noting('made anew', ended), after)
  kept.takeOver(after)
  expect(ended).toEqual([])
  await until(() => ended.length > 0)
  expect(ended).toEqual(['unused'])
  // What has no end is state, such as what keeps a proof from being used twice.
  expect(kept.keep('proofs', () => ({}))).toBe(proofs)
})

test('what is asked for again within the grace stays', async () => {
  const ended: string[] = []
  await using kept = new Kept(20)
  const names = () => {
    const set = new Set<string>()
    kept.keep('back', noting('back', ended), set)
    return set
  }
  const marker = new Set<string>()
  kept.keep('marker', noting('marker', ended), marker)
  kept.takeOver(new Set([...names(), ...marker]))
  kept.takeOver(new Set())
  kept.takeOver(names())
  await until(() => ended.length > 0)
  expect(ended).toEqual(['marker'])
})

test('what a refused configuration asked for goes with the next that is taken', async () => {
  const ended: string[] = []
  await using kept = new Kept(5)
  kept.keep('refused', noting('refused', ended), new Set())
  kept.takeOver(new Set())
  await until(() => ended.length > 0)
  expect(ended).toEqual(['refused'])
})

test('at the end, connections outlast what has something left to send by them', async () => {
  const ended: string[] = []
  const kept = new Kept()
  kept.keep('connection', noting('connection', ended))
  kept.keep('queue', () => ({
    async [Symbol.asyncDispose]() {
      await Bun.sleep(1)
      ended.push('queue')
    },
  }))
  await kept[Symbol.asyncDispose]()
  expect(ended).toEqual(['queue', 'connection'])
})

async function until(done: () => boolean): Promise<void> {
  const limit = performance.now() + 3_000
  while (!done()) {
    if (performance.now() > limit) throw new Error('waited in vain')
    await Bun.sleep(1)
  }
}
