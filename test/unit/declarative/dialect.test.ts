import { expect, test } from 'bun:test'
import type { Dialect } from '../../../src/declarative/dialect.ts'
import { printFaults } from '../../../src/declarative/faults.ts'
import { loadDeclarative } from '../../../src/declarative/load.ts'

function outcome(text: string, dialect: Dialect): string {
  const files = [{ name: 'a.yaml', text: `_format_version: "3.0"\n${text}` }]
  const loaded = loadDeclarative(files, { env: { DECK_A: 'a' }, plugins: new Map(), dialect })
  return loaded.faults ? printFaults(loaded.faults.slice(0, 1)).split(';')[0]! : 'valid'
}

const GROUPS = 'consumer_groups: [{ name: gold'

// What each dialect says; the union takes all.
// prettier-ignore
test.each([
  ['_info: { select_tags: [a] }',                                   'a.yaml:2:1 _info: unknown field',                   'valid'],
  ['_workspace: default',                                           'a.yaml:2:1 _workspace: unknown field',              'valid'],
  ['_konnect: {}',                                                  'a.yaml:2:1 _konnect: unknown field',                'valid'],
  ['_plugin_configs: {}',                                           'a.yaml:2:1 _plugin_configs: unknown field',         'valid'],
  ['licenses: []',                                                  'a.yaml:2:1 licenses: unknown field',                'valid'],
  ['_comment: a',                                                   'valid',                                             'a.yaml:2:1 _comment: unknown field'],
  ['services: [{ host: a, _ignore: [] }]',                          'valid',                                             'a.yaml:2:23 services[0]._ignore: unknown field'],
  [`${GROUPS} }]\nconsumers: [{ username: a, groups: [{ name: gold }] }]`, 'a.yaml:3:28 consumers[0].groups: unknown field', 'valid'],
  [`consumers: [{ username: a }]\n${GROUPS}, consumers: [{ username: a }] }]`, 'a.yaml:3:33 consumer_groups[0].consumers: unknown field', 'valid'],
  ['consumers: [{ username: a }]\nacls: [{ consumer: a, group: g }]', 'valid',                                           'a.yaml:3:1 acls: unknown field'],
  ['services: [{ name: s, host: a }]\nroutes: [{ paths: [/], service: { name: s } }]', 'a.yaml:3:33 routes[0].service: missing primary key', 'valid'],
  ['services: [{ host: ${{ env "DECK_A" }} }]',                     'a.yaml:2:12: the bracket',                           'valid'],
  ['_transform: false',                                             'valid',                                             'valid'],
])('%s', (text, kong, deck) => {
  expect(outcome(text, 'union')).toBe('valid')
  expect(outcome(text, 'deck')).toBe(deck)
  expect(outcome(text, 'kong')).toStartWith(kong)
})

test('a file that begins with a space is one for Kong, and none for decK', () => {
  const files = [{ name: 'a.yaml', text: ' _format_version: "3.0"\n' }]
  const messages = (dialect: Dialect) =>
    loadDeclarative(files, { env: {}, plugins: new Map(), dialect }).faults?.map(
      ({ message }) => message,
    )
  expect(messages('kong')).toBeUndefined()
  expect(messages('union')).toBeUndefined()
  expect(messages('deck')).toEqual(['the file must not begin with a space'])
})
