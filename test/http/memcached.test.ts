import { describe, expect, test } from 'bun:test'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { Memcached, MemcachedError, type MemcachedSettings } from '../../src/memcached.ts'
import { Folder } from '../e2e/folder.ts'
import { createAuthority } from './authority.ts'
import { hasMemcached, memcachedServer, memcachedServerAt } from './memcached.ts'
import { freePort, until } from './redis.ts'

const settings = (port: number, more: Partial<MemcachedSettings> = {}): MemcachedSettings => ({
  host: '127.0.0.1',
  port,
  ssl: false,
  ssl_verify: true,
  ca: undefined,
  timeout: 2000,
  ...more,
})

const open = (port: number, more?: Partial<MemcachedSettings>) =>
  new Memcached(settings(port, more), Date.now)

const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.unreachable(),
    (error: unknown) => error as Error,
  )

const item = (text: string, ttl = 60, flags = 0) => ({ value: Buffer.from(text), flags, ttl })
const textOf = async (memcached: Memcached, key: string) =>
  (await memcached.get(key))?.value.toString()

test('a memcached that is not there is an error at once', async () => {
  const port = await freePort()
  using memcached = open(port)
  const error = await failure(memcached.get('a'))
  expect(error).toBeInstanceOf(MemcachedError)
  expect(error.message).toContain(`the memcached at 127.0.0.1:${port}: `)
  expect(error.message).toContain('ECONNREFUSED')
})

test('a key that would be more than one word is not sent', async () => {
  using memcached = open(await freePort())
  for (const key of ['', 'a b', 'a\r\nflush_all', 'ä', 'x'.repeat(251)])
    expect((await failure(memcached.get(key))).message).toContain('not fit')
})

describe.skipIf(!hasMemcached)(
  hasMemcached ? 'a memcached' : 'a memcached (skipped: there is none on this machine)',
  () => {
    test('keeps bytes with their flags, and tells what is there and what is not', async () => {
      await using server = await memcachedServer()
      using memcached = open(server.port)
      const value = Buffer.from([...Array.from({ length: 256 }, (_, i) => i), 13, 10])
      await memcached.set('k', { value, flags: 4_294_967_295, ttl: 60 })
      const found = await memcached.get('k')
      expect(found?.value).toEqual(value)
      expect(found?.flags).toBe(4_294_967_295)
      expect(await memcached.get('nothing')).toBeUndefined()
      expect(await memcached.add('k', item('b'))).toBe(false)
      expect(await memcached.add('l', item('b'))).toBe(true)
      expect(await memcached.exchange('k', item('new'), found!.unique)).toBe(true)
      expect(await memcached.exchange('k', item('newer'), found!.unique)).toBe(false)
      expect(await memcached.exchange('nothing', item('x'), found!.unique)).toBe(false)
      expect(await textOf(memcached, 'k')).toBe('new')
      expect(await memcached.touch('k', 100)).toBe(true)
      expect(await memcached.touch('nothing', 100)).toBe(false)
      expect(await memcached.delete('k')).toBe(true)
      expect(await memcached.delete('k')).toBe(false)
      await memcached.set('empty', item(''))
      expect(await textOf(memcached, 'empty')).toBe('')
    })

    test('answers come to those who asked, however many ask at once', async () => {
      await using server = await memcachedServer()
      using memcached = open(server.port)
      const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`)
      const large = Buffer.alloc(900_000, 'x')
      await Promise.all([
        memcached.set('large', { value: large, flags: 0, ttl: 60 }),
        ...keys.map((key) => memcached.set(key, item(`of ${key}`))),
      ])
      const [found, ...texts] = await Promise.all([
        memcached.get('large'),
        ...keys.map((key) => textOf(memcached, key)),
      ])
      expect(found!.value.equals(large)).toBe(true)
      expect(texts).toEqual(keys.map((key) => `of ${key}`))
    })

    test('items end, those of more than thirty days not at once, those without an end never', async () => {
      await using server = await memcachedServer()
      using memcached = open(server.port)
      const DAY = 24 * 3600
      await Promise.all([
        memcached.set('short', item('a', 0.2)),
        memcached.set('long', item('a', 40 * DAY)),
        memcached.set('ever', item('a', 0)),
        memcached.set('touched', item('a', 0)),
      ])
      await memcached.touch('touched', 1)
      await until(async () => (await memcached.get('short')) === undefined)
      await until(async () => (await memcached.get('touched')) === undefined)
      expect(await textOf(memcached, 'long')).toBe('a')
      expect(await textOf(memcached, 'ever')).toBe('a')
    })

    test('what it has no room for is an error, and the connection goes on', async () => {
      await using server = await memcachedServer()
      using memcached = open(server.port)
      const value = Buffer.alloc(1_100_000)
      const [error, said] = await Promise.all([
        failure(memcached.set('large', { value, flags: 0, ttl: 60 })),
        memcached.add('small', item('a')),
      ])
      expect(error.message).toContain('SERVER_ERROR object too large for cache')
      expect(said).toBe(true)
    })

    test('one that was killed is an error at once, and is used again when it is back', async () => {
      await using first = await memcachedServer()
      const { port } = first
      using memcached = open(port)
      await memcached.set('a', item('b'))
      first.freeze()
      const waiting = failure(memcached.get('a'))
      const began = performance.now()
      await first.kill()
      expect(await waiting).toBeInstanceOf(MemcachedError)
      expect(await failure(memcached.get('a'))).toBeInstanceOf(MemcachedError)
      expect(performance.now() - began).toBeLessThan(1_000)
      await using _ = await memcachedServerAt(port)
      expect(await memcached.get('a')).toBeUndefined()
      await memcached.set('a', item('c'))
      expect(await textOf(memcached, 'a')).toBe('c')
    })

    test('one that hangs keeps a command no longer than its limit, and comes back', async () => {
      await using server = await memcachedServer()
      using memcached = open(server.port, { timeout: 200 })
      await memcached.set('a', item('b'))
      server.freeze()
      const began = performance.now()
      const errors = await Promise.all([failure(memcached.get('a')), failure(memcached.get('a'))])
      expect(performance.now() - began).toBeWithin(190, 1_000)
      expect(errors[0]!.message).toContain('no answer within 200 ms')
      server.thaw()
      expect(await textOf(memcached, 'a')).toBe('b')
    })

    test('by its Unix socket', async () => {
      using folder = new Folder({})
      chmodSync(folder.path, 0o777)
      const socket = join(folder.path, 'memcached.sock')
      const child = Bun.spawn(['memcached', '-s', socket, '-a', '777', '-u', 'nobody'])
      try {
        await until(async () => existsSync(socket))
        using memcached = open(1, { socket })
        await memcached.set('a', item('b'))
        expect(await textOf(memcached, 'a')).toBe('b')
      } finally {
        child.kill('SIGKILL')
        await child.exited
      }
    })

    test('over TLS, the certificate is checked for its authority and its address', async () => {
      using authority = createAuthority()
      if (!authority) return console.log('skipped: there is no openssl')
      const ask = async (port: number, more: Partial<MemcachedSettings>) => {
        using memcached = open(port, { ssl: true, ...more })
        return await memcached
          .set('a', item('b'))
          .then(() => textOf(memcached, 'a'))
          .catch((error: Error) => error.name)
      }
      const ca = authority.cert
      const said: unknown[] = []
      for (const name of ['IP:127.0.0.1', 'DNS:other.test']) {
        const { cert, key } = authority.issue(name)
        using files = new Folder({ 'cert.pem': cert, 'key.pem': key })
        const at = (file: string) => join(files.path, file)
        await using server = await memcachedServer(
          ...['-Z', '-o', `ssl_chain_cert=${at('cert.pem')},ssl_key=${at('key.pem')}`],
        )
        for (const more of [{ ca }, {}, { ssl_verify: false }])
          said.push(await ask(server.port, more))
      }
      // prettier-ignore
      expect(said).toEqual(['b', 'MemcachedError', 'b', 'MemcachedError', 'MemcachedError', 'b'])
    })
  },
)

/** Asks a server that answers everything with these bytes. */
async function answered(bytes: string | Buffer, timeout = 300): Promise<Error> {
  using server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: { data: (socket) => void socket.write(bytes) },
  })
  using memcached = open(server.port, { timeout })
  return await failure(memcached.get('mine'))
}

test('one that takes no connection in time is left alone for a moment', async () => {
  using server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  using memcached = open(server.port, { ssl: true, timeout: 200 })
  const began = performance.now()
  expect((await failure(memcached.get('a'))).message).toContain('no answer within 200 ms')
  expect(performance.now() - began).toBeWithin(190, 390)
  for (let i = 0; i < 5; i++) await failure(memcached.get('a'))
  expect(performance.now() - began).toBeLessThan(390)
})

// prettier-ignore
const HOSTILE: readonly (readonly [what: string, answer: string | Buffer, message: string])[] = [
  ['another key',                    'VALUE yours 0 1 1\r\na\r\nEND\r\n',                     'another key'],
  ['more than it may',               'VALUE mine 0 999999999 1\r\n',                          'more than 2097152 bytes'],
  ['a size that is no number',       'VALUE mine 0 -1 1\r\n',                                 'does not speak the protocol'],
  ['a shorter value than it tells',  'VALUE mine 0 9 1\r\nabc\r\nEND\r\nxxxxxxxxx',           'another length'],
  ['two values',                     'VALUE mine 0 1 1\r\na\r\nVALUE mine 0 1 1\r\nb\r\nEND\r\n', 'another length'],
  ['a line without an end',          'x'.repeat(5000),                                        'a line that is too long'],
  ['another protocol',               'HTTP/1.1 400 Bad Request\r\n\r\n',                      'does not speak the protocol'],
  ['a word for another command',     'STORED\r\n',                                            'does not speak the protocol'],
  ['an error with control signs',    Buffer.from('CLIENT_ERROR \x1b[31m\0\r\n'),              'CLIENT_ERROR ?[31m?'],
  ['half of an answer',              'VALUE mine 0 1 1\r\na',                                 'no answer within 300 ms'],
]

test.each(HOSTILE)('a server that answers %s is an error', async (_, answer, message) => {
  const error = await answered(answer)
  expect(error).toBeInstanceOf(MemcachedError)
  expect(error.message).toContain(message)
})

test('what nobody asked for ends the connection, so that it is nobody else’s answer', async () => {
  using server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data: (socket) => void socket.write('END\r\nVALUE a 0 4 1\r\nevil\r\nEND\r\n'),
    },
  })
  using memcached = open(server.port)
  expect(await memcached.get('a')).toBeUndefined()
  expect(await memcached.get('a').catch(() => undefined)).toBeUndefined()
})
