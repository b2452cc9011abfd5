import { expect, test } from 'bun:test'
import { nearest } from '../../../src/schema/nearest.ts'

// prettier-ignore
test.each([
  ['pahts',           ['paths', 'hosts'],                   'paths'],
  ['hots',            ['paths', 'host'],                    'host'],
  ['prot',            ['port', 'protocol'],                 'port'],
  ['servises',        ['services', 'routes'],               'services'],
  ['client_idd',      ['client_id', 'client_ids'],          'client_id'],
  ['kye',             ['key'],                              'key'],
  ['key',             ['tag'],                              undefined],
  ['completely_else', ['services'],                         undefined],
  ['',                ['a'],                                'a'],
])('%.20s is probably %p of %p', (name, names, meant) => {
  expect(nearest(name, names)).toBe(meant!)
})

test('a name of a million letters is like none, and that is soon seen', () => {
  expect(nearest('a'.repeat(1e6), ['services'])).toBeUndefined()
})
