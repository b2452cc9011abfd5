import { expect, test } from 'bun:test'
import {
  createSeal,
  SEAL_LENGTH,
} from '../../../../../src/plugins/openid-connect/session/sealed.ts'
import { random } from '../../../random.ts'

const seal = createSeal('secret', 'test')

test('what was sealed opens, whatever it is', () => {
  const next = random(1)
  for (let i = 0; i < 300; i++) {
    const plain = Uint8Array.from({ length: next(200) }, () => next(256))
    const associated = String.fromCharCode(...Array.from({ length: next(5) }, () => next(0x3000)))
    const text = seal.seal(plain, associated)
    expect(text).toMatch(/^[\w-]+$/)
    expect(Buffer.from(text, 'base64url')).toHaveLength(plain.length + SEAL_LENGTH)
    expect(Buffer.from(seal.open(text, associated)!)).toEqual(Buffer.from(plain))
    expect(seal.seal(plain, associated)).not.toBe(text)
  }
})

test('every text with one bit or one sign changed, and every shorter or longer one, is refused', () => {
  const text = seal.seal('what nobody may read', 'a')
  const bytes = Buffer.from(text, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(seal.open(changed.toString('base64url'), 'a')).toBeUndefined()
  }
  for (let length = 0; length < text.length; length++)
    expect(seal.open(text.slice(0, length), 'a')).toBeUndefined()
  for (const more of ['=', 'A', ' ', '.', `A${text}`])
    expect(seal.open(text + more, 'a')).toBeUndefined()
})

test('a text has one spelling', () => {
  // 33 bytes and one: the last sign of the text has bits that mean nothing.
  const text = seal.seal('12', 'a')
  const last = text.at(-1)!
  const signs = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const opening = [...signs].filter((sign) => seal.open(text.slice(0, -1) + sign, 'a'))
  expect(opening).toEqual([last])
  expect(seal.open(text.replaceAll('-', '+').replaceAll('_', '/') + '=', 'a')).toBeUndefined()
})

test('it is worth nothing for another purpose, another secret, or something else', () => {
  const text = seal.seal('plain', 'a')
  expect(seal.open(text, 'b')).toBeUndefined()
  expect(createSeal('secret', 'test 2').open(text, 'a')).toBeUndefined()
  expect(createSeal('secret2', 'test').open(text, 'a')).toBeUndefined()
})

test('with several secrets the first one seals, and each of them opens', () => {
  const both = createSeal(['new', 'old'], 'test')
  const old = createSeal('old', 'test')
  expect(Buffer.from(both.open(old.seal('x', 'a'), 'a')!).toString()).toBe('x')
  expect(old.open(both.seal('x', 'a'), 'a')).toBeUndefined()
  expect(() => createSeal([], 'test')).toThrow()
})
