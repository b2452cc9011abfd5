import { expect, test } from 'bun:test'
import { readClientHello } from '../../../src/front/client_hello.ts'

const UNKNOWN = { serverName: undefined, takesEcdsa: true }

const u16 = (n: number) => [n >> 8, n & 0xff]
const block = (content: number[]) => [...u16(content.length), ...content]
const extension = (type: number, content: number[]) => [...u16(type), ...block(content)]
const nameOf = (name: string) => extension(0, block([0, ...block([...Buffer.from(name)])]))
const signatures = (...schemes: number[]) => extension(13, block(schemes.flatMap(u16)))

interface Parts {
  readonly suites?: readonly number[]
  readonly extensions?: readonly number[]
}

function message({ suites = [0x1301], extensions = [] }: Parts = {}): number[] {
  const body = [
    ...[3, 3, ...Array(32).fill(7)],
    ...[4, 1, 2, 3, 4],
    ...block(suites.flatMap(u16)),
    ...[1, 0],
    ...block([...extensions]),
  ]
  return [1, 0, ...u16(body.length), ...body]
}

/** The message in records of so many bytes. */
function records(content: number[], size = Infinity): Buffer {
  const all: number[] = []
  for (let at = 0; at < content.length; at += size)
    all.push(22, 3, 1, ...block(content.slice(at, at + size)))
  return Buffer.from(all)
}

const HELLO = message({
  extensions: [...extension(23, []), ...nameOf('A.Test.'), ...signatures(0x0403, 0x0804)],
})

test.each([Infinity, 100, 7, 1])('a hello in records of %p bytes', (size) => {
  const bytes = records(HELLO, size)
  expect(readClientHello(bytes)).toEqual({ serverName: 'a.test', takesEcdsa: true })
  for (let end = 0; end < bytes.length; end++)
    expect(readClientHello(bytes.subarray(0, end)), `${end} bytes of it`).toBeUndefined()
})

// prettier-ignore
test.each([
  ['TLS 1.3 with ECDSA',                { suites: [0x1302],          extensions: signatures(0x0804, 0x0503) }, true],
  ['TLS 1.3 with RSA alone',            { suites: [0x1302],          extensions: signatures(0x0804, 0x0401) }, false],
  ['TLS 1.2 with ECDSA',                { suites: [0xc02f, 0xc02b],  extensions: signatures(0x0401, 0x0403) }, true],
  ['TLS 1.2 whose suites are of RSA',   { suites: [0xc02f],          extensions: signatures(0x0401, 0x0403) }, false],
  ['TLS 1.2 that does not say',         { suites: [0xc02b],          extensions: [] },                         false],
] as const)('%s', (_, parts, takesEcdsa) => {
  expect(readClientHello(records(message(parts)))).toEqual({ serverName: undefined, takesEcdsa })
})

// prettier-ignore
test.each([
  ['a request',              Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['an empty record',        Buffer.of(22, 3, 1, 0, 0)],
  ['another message',        records([2, ...HELLO.slice(1)])],
  ['a message of 16 MB',     Buffer.of(22, 3, 1, 2, 0, 1, 0xff, 0xff, 0xff)],
  ['an alert within',        Buffer.concat([records(HELLO.slice(0, 50)), Buffer.of(21, 3, 3, 0, 2, 1, 0)])],
  ['a length beyond its end', records([...HELLO.slice(0, 38), 0xff, ...HELLO.slice(39)])],
  ['extensions cut short',   records(message({ extensions: [0, 0, 0, 9, 1] }))],
  ['two bytes of a hello',   records([1, 0, 0, 2, 3, 3])],
])('%s is left to the handshake, which refuses it', (_, bytes) => {
  expect(readClientHello(bytes)).toEqual(UNKNOWN)
})
