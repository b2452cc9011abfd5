import { expect, test } from 'bun:test'
import { Greeting, type GreetingOptions } from '../../../src/front/greeting.ts'

/** A greeting whose socket is the test's, and what became of it. */
function greet(options: Partial<GreetingOptions> = {}) {
  const seen: string[] = []
  const waiters = new Set<unknown>()
  const greeting = new Greeting({ terminate: () => void seen.push('terminated') } as never, {
    proxyProtocol: false,
    ssl: false,
    http2: false,
    deadlines: {
      add: (waiter: unknown) => void waiters.add(waiter),
      delete: (waiter: unknown) => void waiters.delete(waiter),
    } as never,
    plain: (_, bytes, isHttp2) =>
      void seen.push(`${isHttp2 ? 'HTTP/2' : 'HTTP'} ${bytes.toString('latin1')}`),
    hello: (_, { serverName }) => void seen.push(`hello ${serverName}`),
    notTls: () => void seen.push('not TLS'),
    failed: (_, reason) => void seen.push(reason),
    ...options,
  })
  return {
    seen,
    waiters,
    greeting,
    say: (text: string) => greeting.data(Buffer.from(text, 'latin1')),
  }
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

test('a client has sixty seconds for what comes before its first request', () => {
  const { greeting, seen, waiters, say } = greet({ ssl: true })
  expect(greeting.deadline - performance.now()).toBeWithin(59_000, 60_001)
  const { deadline } = greeting
  say('\x16\x03\x01')
  expect([greeting.deadline, waiters.size]).toEqual([deadline, 1])
  greeting.expire()
  expect(seen).toEqual(['terminated'])
  greeting.closed()
  expect(waiters.size).toBe(0)
})

test('the preface of HTTP/2 is told from requests, in whatever pieces it comes', () => {
  const pieces = greet({ http2: true })
  for (const letter of PREFACE) pieces.say(letter)
  expect(pieces.seen).toEqual([`HTTP/2 ${PREFACE}`])
  expect(pieces.waiters.size).toBe(0)
  const request = greet({ http2: true })
  request.say('P')
  request.say('OST / HTTP/1.1\r\n')
  expect(request.seen).toEqual(['HTTP POST / HTTP/1.1\r\n'])
  const without = greet()
  without.say(PREFACE)
  expect(without.seen).toEqual([`HTTP ${PREFACE}`])
})

test('what is sent after a greeting is over is not read again', () => {
  const { seen, say } = greet({ ssl: true })
  say('GET / HTTP/1.1\r\n')
  say('\x16\x03\x01')
  expect(seen).toEqual(['not TLS'])
})

test('a hello that does not end is too long', () => {
  const { seen, say } = greet({ ssl: true })
  const fragment = `\x16\x03\x01\0\x01${'\x01'}`
  say(fragment + '\x16\x03\x01\0\x03\0\x3f\xff')
  for (let i = 0; i < 30 && seen.length === 0; i++) say(`\x16\x03\x01\x03\xe8${'x'.repeat(1000)}`)
  expect(seen.length).toBeGreaterThan(0)
})
