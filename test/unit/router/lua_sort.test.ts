import { expect, test } from 'bun:test'
import { luaSort } from '../../../src/router/lua_sort.ts'
import { random } from '../random.ts'

test('it sorts', () => {
  const next = random(5)
  for (let length = 0; length < 60; length++) {
    const numbers = Array.from({ length }, () => next(20))
    expect(luaSort(numbers, (a, b) => a < b)).toEqual(numbers.toSorted((a, b) => a - b))
  }
})

// What LuaJIT's table.sort makes of the same.
// prettier-ignore
test.each([
  ['3122132102',   '8174693250'],
  ['00000000',     '04563127'],
  ['0000',         '0213'],
  ['000',          '012'],
])('equals of %s come out in the order %s', (values, order) => {
  const list = Array.from(values, (value, at) => ({ value, at }))
  const sorted = luaSort(list, (a, b) => a.value < b.value)
  expect(sorted.map(({ at }) => at).join('')).toBe(order)
})
