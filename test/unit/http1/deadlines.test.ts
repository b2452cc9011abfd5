import { expect, test } from 'bun:test'
import { Deadlines, type Waiter } from '../../../src/http1/deadlines.ts'

function waiter(after: number): Waiter & { expired: number } {
  return {
    deadline: performance.now() + after,
    expired: 0,
    expire() {
      this.expired++
    },
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const limit = performance.now() + 1_000
  while (!isSo() && performance.now() < limit) await Bun.sleep(1)
}

test('who waits too long is told once, and not before', async () => {
  const deadlines = new Deadlines()
  const [soon, later, never] = [waiter(20), waiter(60), waiter(Infinity)]
  for (const each of [soon, later, never]) deadlines.add(each)
  await until(() => soon.expired > 0)
  expect([soon.expired, later.expired, never.expired, soon.deadline]).toEqual([1, 0, 0, Infinity])
  await until(() => later.expired > 0)
  expect([soon.expired, later.expired, never.expired]).toEqual([1, 1, 0])
  for (const each of [soon, later, never]) deadlines.delete(each)
})

test('a deadline that was moved counts from there, and one that left counts no more', async () => {
  const deadlines = new Deadlines()
  const [moved, gone, other] = [waiter(20), waiter(20), waiter(50)]
  for (const each of [moved, gone, other]) deadlines.add(each)
  moved.deadline = Infinity
  deadlines.delete(gone)
  await until(() => other.expired > 0)
  expect([moved.expired, gone.expired, other.expired]).toEqual([0, 0, 1])
  for (const each of [moved, other]) deadlines.delete(each)
})

test('what one waiter throws does not keep the others from being told', async () => {
  const code = `
    const { Deadlines } = await import('${import.meta.dir}/../../../src/http1/deadlines.ts')
    const deadlines = new Deadlines()
    process.on('uncaughtException', ({ errors }) => console.log('fault ' + errors[0].message))
    const add = (expire) => deadlines.add({ deadline: performance.now() + 20, expire })
    add(() => { throw new Error('oops') })
    add(() => { console.log('told'); setTimeout(() => process.exit(0), 100) })`
  const child = Bun.spawn([process.execPath, '-e', code])
  const timer = setTimeout(() => child.kill(), 1_500)
  expect(await new Response(child.stdout).text()).toBe('told\nfault oops\n')
  clearTimeout(timer)
})

test('without waiters nothing keeps the process', async () => {
  const code = `
    const { Deadlines } = await import('${import.meta.dir}/../../../src/http1/deadlines.ts')
    const deadlines = new Deadlines()
    const waiter = { deadline: Infinity, expire() {} }
    deadlines.add(waiter)
    deadlines.delete(waiter)`
  const child = Bun.spawn([process.execPath, '-e', code])
  const timer = setTimeout(() => child.kill(), 1_500)
  expect(await child.exited).toBe(0)
  clearTimeout(timer)
})
