import { expect, test } from 'bun:test'
import { Outbox } from '../../../src/http1/outbox.ts'

/** A socket that takes so many bytes at a time, and nothing once they are used up. */
function socketTaking(...amounts: number[]) {
  let taken = ''
  const write = (bytes: Uint8Array, from = 0, length = bytes.length - from) => {
    const amount = Math.min(amounts.shift() ?? 0, length)
    taken += Buffer.from(bytes.subarray(from, from + Math.max(amount, 0))).toString('latin1')
    return amount
  }
  return { write, more: (...next: number[]) => void amounts.push(...next), taken: () => taken }
}

function outboxOn(socket: ReturnType<typeof socketTaking>) {
  return new Outbox(socket as unknown as ConstructorParameters<typeof Outbox>[0])
}

test('what the socket takes at once is sent in one piece', () => {
  const socket = socketTaking(1000)
  const outbox = outboxOn(socket)
  expect(outbox.send('head\r\n', Buffer.from('body'), '\r\n')).toBe(true)
  expect([socket.taken(), outbox.isEmpty]).toEqual(['head\r\nbody\r\n', true])
})

test('the rest waits its turn, and nothing overtakes it', () => {
  const socket = socketTaking(3)
  const outbox = outboxOn(socket)
  const body = Buffer.from('body')
  expect(outbox.send('head', body, 'tail')).toBe(false)
  expect(outbox.write(Buffer.from('more'))).toBe(false)
  // What was given may be overwritten by now.
  body.fill('x')
  expect(outbox.send('last')).toBe(false)
  expect(socket.taken()).toBe('hea')
  socket.more(2)
  expect(outbox.flush()).toBe(false)
  socket.more(1)
  expect(outbox.flush()).toBe(false)
  socket.more(1000, 1000, 1000)
  expect(outbox.flush()).toBe(true)
  expect([socket.taken(), outbox.isEmpty]).toEqual(['headbodytailmorelast', true])
})

test('a socket that is gone takes nothing', () => {
  const socket = socketTaking(-1)
  const outbox = outboxOn(socket)
  expect([outbox.send('lost'), outbox.isEmpty, outbox.flush()]).toEqual([false, false, false])
})

test('parts larger than any buffer keep their order', () => {
  const socket = socketTaking(1e9, 1e9, 1e9)
  const large = 'x'.repeat(500_000)
  expect(outboxOn(socket).send('head', Buffer.from(large), 'tail')).toBe(true)
  expect(socket.taken() === `head${large}tail`).toBe(true)
})

test('nothing to send is sent at once, or after what waits', () => {
  const outbox = outboxOn(socketTaking(0))
  expect(outbox.write(new Uint8Array(0))).toBe(true)
  expect(outbox.send('x')).toBe(false)
  expect(outbox.write(new Uint8Array(0))).toBe(false)
})
