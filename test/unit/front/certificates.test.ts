import { X509Certificate } from 'node:crypto'
import { expect, test } from 'bun:test'
import { Certificates, wildcardsOf } from '../../../src/front/certificates.ts'
import { createSelfSigned } from '../../../src/front/self_signed.ts'

const NOW = Date.UTC(2026, 10, 24)
const [ours, exact, suffix, prefix, any] = Array.from({ length: 5 }, () => createSelfSigned(NOW))
const named = [
  { ...exact!, snis: ['a.example.com', 'LOCALHOST'] },
  { ...suffix!, snis: ['*.example.com'] },
  { ...prefix!, snis: ['a.*', 'www.example.*'] },
]

// prettier-ignore
test.each([
  ['a.example.com',     exact],
  ['localhost',         exact],
  ['b.example.com',     suffix],
  ['www.example.com',   suffix],
  ['www.example.org',   prefix],
  ['a.org',             prefix],
  ['a.b.example.com',   ours],
  ['example.com',       ours],
  ['.example.com',      suffix],
  ['constructor',       ours],
  [undefined,           ours],
])('the certificate for %s', (serverName, pair) => {
  const certificates = new Certificates([ours!], named)
  expect(certificates.find({ serverName, takesEcdsa: true }).cert).toBe(pair!.cert)
  const withAny = new Certificates([ours!], [...named, { ...any!, snis: ['*'] }])
  const found = withAny.find({ serverName, takesEcdsa: true }).cert
  expect(found).toBe(pair === ours ? any!.cert : pair!.cert)
})

test('a name with one label has no wildcards', () => {
  expect(wildcardsOf('localhost')).toEqual([])
  expect(wildcardsOf('a.b')).toEqual(['*.b', 'a.*'])
})

test('the certificate of our own is signed by its key, for localhost, from yesterday on for twenty years', () => {
  const { cert, key } = createSelfSigned(NOW)
  const x509 = new X509Certificate(cert)
  expect(x509.verify(x509.publicKey)).toBe(true)
  expect(x509.checkHost('localhost')).toBe('localhost')
  expect(x509.ca).toBe(false)
  expect([x509.validFrom, x509.validTo].map((date) => new Date(date).getUTCFullYear())).toEqual([
    2026, 2046,
  ])
  expect(
    new Certificates([{ cert, key }]).find({ serverName: undefined, takesEcdsa: false }).key,
  ).toBe(key)
  expect(createSelfSigned(NOW).cert).not.toBe(cert)
})

test('a year after 2049 is written with four digits', () => {
  const x509 = new X509Certificate(createSelfSigned(Date.UTC(2040, 0, 1)).cert)
  expect(new Date(x509.validTo).getUTCFullYear()).toBe(2059)
})
