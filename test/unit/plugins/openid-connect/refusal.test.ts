import { expect, test } from 'bun:test'
import { quotable } from '../../../../src/plugins/openid-connect/refusal.ts'
import { isSameIssuer } from '../../../../src/plugins/openid-connect/verify.ts'

// prettier-ignore
test.each([
  ['one\nline\r\nof text',              'one line of text'],
  ['Bearer eyJhbGciOi.eyJzdWIi.c2ln!',  'Bearer …!'],
  ['a.eyJhbGciOi..x',                   '…'],
  ['invalid_grant: see docs.example',   'invalid_grant: see docs.example'],
  ['word '.repeat(100),                 'word '.repeat(40)],
  [`${'a'.repeat(300)}.b.c`,            '…'],
])('%j is quoted as %j', (text, quoted) => {
  expect(quotable(text)).toBe(quoted)
})

// A regular expression that begins anew at each character would take seconds for these.
test.each([
  ['letters', () => quotable('a'.repeat(60_000))],
  ['letters and a dot', () => quotable(`${'a'.repeat(60_000)}.`)],
  ['parts', () => quotable('aaaaaaa.'.repeat(7500))],
  ['slashes', () => isSameIssuer('https://idp.test', `${'/'.repeat(60_000)}x`)],
])('long %s that nobody has signed are looked at in no time', (_, look) => {
  const begun = performance.now()
  look()
  expect(performance.now() - begun).toBeLessThan(500)
})

test('slashes at the end make no other issuer', () => {
  expect(isSameIssuer('https://idp.test/', 'https://idp.test')).toBe(true)
  expect(isSameIssuer('https://idp.test', 'https://idp.test//')).toBe(true)
  expect(isSameIssuer('https://idp.test', 'https://idp.test/a')).toBe(false)
})
