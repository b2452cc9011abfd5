import { expect, test } from 'bun:test'
import { Lookup, NameError } from '../../src/dns/lookup.ts'
import { DEFAULT_DNS, type DnsSettings } from '../../src/dns/settings.ts'
import { type DnsServer, dnsServer, type Zone } from './dns_server.ts'

const addressesOf = ({ places }: { places: readonly { address: string }[] }) =>
  places.map(({ address }) => address)

/** What asks this server alone. */
function lookupAt({ address }: DnsServer, settings: Partial<DnsSettings> = {}): Lookup {
  return new Lookup({ ...DEFAULT_DNS, dns_resolver: [address], ...settings })
}

/** Looks a name up at a server that knows these zones; gives what it was asked as well. */
async function look(
  host: string,
  zones: Readonly<Record<string, Zone>>,
  settings: Partial<DnsSettings> = {},
) {
  using server = await dnsServer(zones)
  const found = await lookupAt(server, settings)
    .find(host, undefined)
    .catch((error: NameError) => error)
  return { found, questions: server.questions }
}

const FOUND: [
  name: string,
  host: string,
  zones: Record<string, Zone>,
  found: object,
  questions: string[],
][] = [
  [
    'SRV is asked for first, then A',
    'a.test',
    { 'a.test': { A: ['192.0.2.1', '192.0.2.2'], ttl: 30 } },
    { type: 'A', ttl: 30, places: [{ address: '192.0.2.1' }, { address: '192.0.2.2' }] },
    ['a.test SRV', 'a.test A'],
  ],
  [
    'SRV gives ports and weights, of the best priority alone; the addresses of a host share its weight',
    's.test',
    {
      's.test': {
        SRV: [
          { priority: 2, port: 1, target: 'worse.test' },
          { priority: 1, weight: 10, port: 8080, target: 'x.test' },
          { priority: 1, weight: 0, port: 8081, target: 'y.test' },
        ],
        ttl: 40,
      },
      'x.test': { A: ['192.0.2.1', '192.0.2.3'], ttl: 20 },
      'y.test': { A: ['192.0.2.2'] },
    },
    {
      type: 'SRV',
      ttl: 20,
      places: [
        { address: '192.0.2.1', srv: { name: 'x.test', port: 8080, weight: 5 } },
        { address: '192.0.2.3', srv: { name: 'x.test', port: 8080, weight: 5 } },
        { address: '192.0.2.2', srv: { name: 'y.test', port: 8081, weight: 1 } },
      ],
    },
    ['s.test SRV', 'x.test A', 'y.test A'],
  ],
  [
    'an alias that the answer follows',
    'c.test',
    { 'c.test': { CNAME: 'a.test', ttl: 10 }, 'a.test': { A: ['192.0.2.1'] } },
    { type: 'A', ttl: 10, places: [{ address: '192.0.2.1' }] },
    ['c.test SRV', 'a.test SRV', 'c.test A', 'a.test A'],
  ],
  [
    'an answer that is too long for a datagram',
    'l.test',
    { 'l.test': { A: ['192.0.2.1'], truncated: true } },
    { type: 'A', ttl: 60, places: [{ address: '192.0.2.1' }] },
    ['l.test SRV', 'l.test SRV by TCP', 'l.test A', 'l.test A by TCP'],
  ],
]

test.each(FOUND)('%s', async (_, host, zones, expected, questions) => {
  const result = await look(host, zones)
  expect(result.found).toEqual(expected as never)
  expect(result.questions).toEqual(questions)
})

test('AAAA is asked for only if dns_order says so, as in Kong', async () => {
  const zones = { 'six.test': { AAAA: ['2001:db8::1'] } }
  expect((await look('six.test', zones)).found).toBeInstanceOf(NameError)
  const { found } = await look('six.test', zones, { dns_order: ['LAST', 'A', 'AAAA'] })
  expect(found).toMatchObject({ type: 'AAAA', places: [{ address: '2001:db8::1' }] })
})

// prettier-ignore
const MISSING: [name: string, zones: Record<string, Zone>, notFound: boolean][] = [
  ['a name that is not there',          {},                                         true],
  ['a name without such records',       { 'a.test': {} },                           true],
  ['a server that fails',               { 'a.test': { rcode: 2 } },                 false],
  ['a server that refuses',             { 'a.test': { rcode: 5 } },                 false],
  ['aliases in a circle',               { 'a.test': { CNAME: 'b.test' }, 'b.test': { CNAME: 'a.test' } }, true],
  ['SRV that says there is no service', { 'a.test': { SRV: [{ port: 0, target: '' }] } }, true],
  ['SRV to a name that no host can have', { 'a.test': { SRV: [{ port: 1, target: 'a\r\nX-Evil: 1' }] } }, false],
]

test.each(MISSING)('%s is an error', async (_, zones, notFound) => {
  const { found } = await look('a.test', zones)
  expect(found).toBeInstanceOf(NameError)
  expect((found as NameError).notFound).toBe(notFound)
})

test('nobody is asked for localhost, for what is in the hosts file, or for .invalid', async () => {
  const hosts = `${import.meta.dir}/hosts.fixture.txt`
  for (const [host, address] of [
    ['localhost', '127.0.0.1'],
    ['Printer.Example', '192.0.2.7'],
    ['six.example', '2001:db8::7'],
    ['192.0.2.9', '192.0.2.9'],
  ] as const) {
    const { found, questions } = await look(host, {}, { dns_hostsfile: hosts })
    expect(addressesOf(found as never)).toEqual([address])
    expect(questions).toEqual([])
  }
  const { found, questions } = await look('nobody.invalid', {})
  expect((found as NameError).notFound).toBe(true)
  expect(questions).toEqual([])
})

test('many names at once are all found', async () => {
  const names = Array.from({ length: 400 }, (_, i) => `n${i}.test`)
  using server = await dnsServer(
    Object.fromEntries(names.map((name, i) => [name, { A: [`192.0.2.${i % 256}`] }])),
  )
  const lookup = lookupAt(server)
  const found = await Promise.all(names.map((name) => lookup.find(name, undefined)))
  expect(found.map(({ places }) => places[0]?.address)).toEqual(
    names.map((_, i) => `192.0.2.${i % 256}`),
  )
})

test('a server that is not there is told of, at once', async () => {
  const gone = await dnsServer({})
  gone[Symbol.dispose]()
  const lookup = lookupAt(gone)
  const began = performance.now()
  const error = await lookup.find('a.test', undefined).catch((each) => each)
  expect([error.notFound, error.cause.message]).toEqual([false, '127.0.0.1 gave no answer'])
  expect(performance.now() - began).toBeLessThan(1_000)
})
