import { expect, test } from 'bun:test'
import { boundaryOf, makePart, readParts, writeParts } from '../../../src/plugins/multipart.ts'

const FILE = '\r\nContent-Type: application/octet-stream\r\n\r\n\xff\r\n--other\x00'
const BODY =
  `preamble\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n` +
  `--b\r\ncontent-disposition: form-data; name="f"; filename="x"${FILE}\r\n--b--\r\nepilogue`

// prettier-ignore
test.each([
  ['multipart/form-data; boundary=b',                 'b'],
  ['multipart/form-data; charset=x; Boundary="b c"',  'b c'],
  ['multipart/form-data',                             undefined],
])('the boundary of %s', (type, boundary) => {
  expect(boundaryOf(type)).toBe(boundary as string)
})

test('parts are found by name, and are written as they were', () => {
  const parts = readParts(Buffer.from(BODY, 'latin1'), 'b')
  expect(parts.map(({ name, value }) => [name, value])).toEqual([
    ['a', '1'],
    ['f', '\xff\r\n--other\x00'],
  ])
  expect(Buffer.from(writeParts(parts, 'b')).toString('latin1')).toBe(
    BODY.replace('preamble\r\n', '').replace('epilogue', ''),
  )
})

test('a name cannot end its line', () => {
  const [part] = readParts(writeParts([makePart('a"\r\nX: 1', 'v')], 'b'), 'b')
  expect(part).toMatchObject({ name: 'a%22%0D%0AX: 1', value: 'v' })
})
