import { expect, test } from 'bun:test'
import { responseTransformer } from '../../../../src/plugins/response-transformer/index.ts'
import { check } from '../../../../src/schema/check.ts'

// prettier-ignore
test.each<[object, string]>([
  [{ add: { headers: ['x-a'] } },                              'expected name:value'],
  [{ add: { headers: ['x a:1'] } },                            "'x a' is not a valid header"],
  [{ add: { headers: ['x-a\r\nEvil:1'] } },                    "'x-a\r\nEvil' is not a valid header"],
  [{ remove: { headers: ['x a'] } },                           "'x a' is not a valid header"],
  [{ rename: { headers: ['x-a:x b'] } },                       "'x b' is not a valid header"],
  [{ replace: { json: ['a'] } },                               'expected name:value'],
  [{ remove: { json: [':a'] } },                               'a name is missing before the colon'],
  [{ append: { json: ['a:1'], json_types: ['integer'] } },     'expected one of: boolean, number, string'],
])('%j is refused: %s', (config, message) => {
  expect(check(responseTransformer.schema, config).faults?.map((fault) => fault.message)).toEqual([
    message,
  ])
})

test('headers that belong to the connection are warned of', () => {
  const warned = (config: object) => {
    const { value } = check(responseTransformer.schema, config)
    return responseTransformer.warnings?.(value!).flatMap(({ fields }) => fields)
  }
  const own = { headers: ['x-a:1', 'Transfer_Encoding:chunked'] }
  expect(warned({ add: own, append: own, rename: { headers: ['x-a:Content-Length'] } })).toEqual([
    'rename.headers',
    'add.headers',
    'append.headers',
  ])
  expect(warned({ remove: { headers: ['connection'] }, add: { headers: ['x-a:1'] } })).toEqual([])
})
