import { expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { namesOf } from '../../../../src/plugins/mtls-auth/names.ts'
import { Pki } from '../../../http/pki.ts'

/** A certificate as `node:crypto` tells of it. */
function told(subjectAltName: string | undefined, CN: unknown = 'common', subject = 'CN=common') {
  return {
    subjectAltName,
    subject,
    toLegacyObject: () => ({ subject: { CN } }),
  } as unknown as X509Certificate
}

// prettier-ignore
test.each([
  ['DNS:a.test, email:b@a.test, URI:spiffe://a/b, IP Address:0:0:0:0:0:0:0:1', ['a.test', 'b@a.test', 'spiffe://a/b', '0:0:0:0:0:0:0:1']],
  ['URI:"spiffe://x\\u002c DNS:admin", DNS:a.test',                          ['spiffe://x, DNS:admin', 'a.test']],
  ['URI:"a\\", DNS:admin", DNS:a.test',                                      ['a", DNS:admin', 'a.test']],
  ['othername:<unsupported>, Registered ID:1.2.3.4, DNS:a.test',             ['a.test']],
  ['DirName:"CN=ann\\u002cO=A\\\\\\u002c B \\\\+ C\\u002cC=DE"',             ['DE', 'A, B + C', 'ann']],
  ['DirName:"CN=\\u00c3\\u00a9"',                                            ['é']],
  ['DirName:"CN=\\u00c3"',                                                   []],
  ['DirName:"1.2.3.4=#1301\\u002cCN=x"',                                     ['x']],
  ['DNS:"unfinished, DNS:admin',                                             []],
  ['DNS:a.test;DNS:admin',                                                   ['a.test;DNS:admin']],
  ['',                                                                       []],
  [undefined,                                                                ['common']],
])('of %j the names are %j', (alternative, subjects) => {
  expect(namesOf(told(alternative), []).subjects).toEqual(subjects)
})

// prettier-ignore
test.each([[['CN']], [['commonName']], [['2.5.4.3']]])('%j picks the common name of a directory name', (matcher) => {
  const names = namesOf(told('DirName:"CN=ann\\u002cO=A", DNS:a.test'), matcher)
  expect(names.subjects).toEqual(['ann', 'a.test'])
})

test('several common names, or none, are none', () => {
  expect(namesOf(told(undefined, ['a', 'b']), []).subjects).toEqual([])
  expect(namesOf(told(undefined, ''), []).subjects).toEqual([])
})

test.skipIf(!Bun.which('openssl'))(
  Bun.which('openssl')
    ? 'a name cannot be made to look like another'
    : 'names (skipped: there is no openssl)',
  () => {
    using pki = new Pki()
    const issue = (subject: string, ...extensions: string[]) =>
      namesOf(new X509Certificate(pki.issue(undefined, { subject, extensions }).cert), [])
    const lines = issue('/O=a\nCN=admin/CN=é, b \\+ c')
    expect(lines.commonName).toBe('é, b + c')
    expect(lines.distinguishedName).toBe('CN=\\C3\\A9\\, b \\+ c,O=a\\0ACN=admin')
    expect(issue('/O=a/OU=b+CN=x').distinguishedName).toBe('CN=x+OU=b,O=a')
    expect(issue('/CN=a/CN=b').commonName).toBeUndefined()
    expect(
      issue('/CN=x', 'subjectAltName=@n', '[n]', 'URI.1=a://b, DNS:admin', 'DNS.1=c').subjects,
    ).toEqual(['a://b, DNS:admin', 'c'])
    expect(issue('/CN=x', 'subjectAltName=dirName:n', '[n]', 'O=a\\, b', 'CN=é').subjects).toEqual([
      'a, b',
      'é',
    ])
  },
)
