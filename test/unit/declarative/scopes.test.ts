import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { printFaults } from '../../../src/declarative/faults.ts'
import { loadDeclarative } from '../../../src/declarative/load.ts'
import { ALL_SCOPES, protocolsOf, takesScope } from '../../../src/declarative/scopes.ts'
import { PLUGIN_PROTOCOLS } from '../../../src/entities/plugin.ts'
import type { Plugin } from '../../../src/pdk.ts'
import { any } from '../../../src/schema/field.ts'

const PUBLISHED = join(import.meta.dir, '../../../../shared/data/plugin-schemas')
const isThere = existsSync(PUBLISHED)

const name = "what each plugin may be for is Kong's"
test.skipIf(!isThere)(isThere ? name : `${name} (skipped: ../shared is not there)`, () => {
  const files = readdirSync(PUBLISHED)
  expect(files.length).toBeGreaterThan(60)
  for (const file of files) {
    const { properties } = JSON.parse(readFileSync(join(PUBLISHED, file), 'utf8')) as {
      properties: { protocols: { items: { enum: string[] } } }
    }
    const plugin = file.replace('.json', '')
    const taken = ALL_SCOPES.filter((scope) => takesScope(plugin, scope))
    expect(taken, plugin).toEqual(ALL_SCOPES.filter((scope) => Object.hasOwn(properties, scope)))
    const { enum: protocols } = properties.protocols.items
    expect([...(protocolsOf(plugin) ?? PLUGIN_PROTOCOLS)].sort(), plugin).toEqual(protocols.sort())
  }
})

function stub(name: string, more: Partial<Plugin> = {}): [string, Plugin] {
  return [name, { name, priority: 1, schema: any('Anything.'), create: () => ({}), ...more }]
}

function faults(plugin: string): string {
  const text = `_format_version: "3.0"
services: [{ name: s, host: a }]
consumers: [{ username: c }]
consumer_groups: [{ name: g }]
plugins: [{ name: ${plugin} }]`
  const plugins = new Map([
    stub('cors'),
    stub('key-auth', { authenticates: true }),
    stub('rate-limiting'),
    stub('of-somebody'),
  ])
  const loaded = loadDeclarative([{ name: 'a.yaml', text }], { env: {}, plugins })
  return loaded.faults ? printFaults(loaded.faults) : 'valid'
}

// prettier-ignore
test.each([
  ['cors, service: s',               'valid'],
  ['cors, consumer: c',              'a.yaml:5:35 plugins[0].consumer: value must be null; cors cannot be for one consumer'],
  ['cors, consumer_group: g',        'a.yaml:5:41 plugins[0].consumer_group: value must be null; cors cannot be for one consumer group'],
  ['key-auth, consumer: c',          'a.yaml:5:39 plugins[0].consumer: value must be null; key-auth finds out who the consumer is, so it cannot be for one of them'],
  ['key-auth, consumer_group: g',    'a.yaml:5:45 plugins[0].consumer_group: value must be null; key-auth finds out who the consumer is, so it cannot be for one of them'],
  ['rate-limiting, consumer: c',     'valid'],
  ['rate-limiting, consumer_group: g', 'valid'],
  ['cors, protocols: [http, tcp]',   'a.yaml:5:43 plugins[0].protocols[1]: expected one of: grpc, grpcs, http, https'],
  ['cors, protocols: [nonsense]',    'a.yaml:5:37 plugins[0].protocols[0]: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss'],
  ['of-somebody, protocols: [tcp]',  'valid'],
  ['of-somebody, consumer_group: g', 'valid'],
])('%s', (plugin, outcome) => expect(faults(plugin)).toBe(outcome))
