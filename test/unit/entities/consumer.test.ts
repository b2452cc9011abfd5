import { expect, test } from 'bun:test'
import { consumer, keyauth_credential, plugin } from '../../../src/entities/index.ts'
import { check } from '../../../src/schema/check.ts'
import type { Field } from '../../../src/schema/field.ts'

const id = 'b32379d9-3d28-5683-a79c-72139be6e34f'

function faults(schema: Field, input: Record<string, unknown>) {
  return check(schema, { id, ...input }).faults?.map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  )
}

// prettier-ignore
test.each([
  [consumer,            {},                                     [": at least one of these fields must be non-empty: 'custom_id', 'username'"]],
  [consumer,            { username: '' },                       ['username: length must be at least 1']],
  [consumer,            { custom_id: 17 },                      ['custom_id: expected a string']],
  [consumer,            { custom_id: 'a b@c' },                 undefined],
  [keyauth_credential,  { key: 'a' },                           ['consumer: required field missing']],
  [keyauth_credential,  { consumer: { id } },                   undefined],
  [keyauth_credential,  { consumer: { id }, key: 'a' },         undefined],
  [plugin,              {},                                     ['name: required field missing']],
  [plugin,              { name: 'a', enabled: 'yes' },          ['enabled: expected a boolean']],
  [plugin,              { name: 'a', protocols: ['x'] },        ['protocols.0: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss']],
  [plugin,              { name: 'a', instance_name: 'a b' },    ["instance_name: invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~"]],
  [plugin,              { name: 'a', run_on: 'first' },         ['run_on: unknown field']],
  [plugin,              { name: 'a' },                          undefined],
] as const)('%#: an entity says what is wrong with it', (schema, input, expected) => {
  expect(faults(schema as Field, input)).toEqual(expected as string[] | undefined)
})

test('a plugin runs for HTTP and gRPC unless it says otherwise', () => {
  expect(check(plugin, { id, name: 'a' }).value).toMatchObject({
    enabled: true,
    protocols: ['grpc', 'grpcs', 'http', 'https'],
  })
})
