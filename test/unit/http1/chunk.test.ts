import { expect, test } from 'bun:test'
import { chunkHead, chunkTail } from '../../../src/http1/chunk.ts'

// prettier-ignore
test.each([
  ['',            false, ''],
  ['',            true,  '0\r\n\r\n'],
  ['a body',      false, '6\r\na body\r\n'],
  ['a long body', true,  'b\r\na long body\r\n0\r\n\r\n'],
])('%j as a chunk, the last one: %s', (part, isLast, chunk) => {
  expect(chunkHead(part.length) + part + chunkTail(part.length, isLast)).toBe(chunk)
})
