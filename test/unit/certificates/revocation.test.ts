import { afterAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createFindRevocation } from '../../../src/certificates/revocation.ts'
import type { OutboundRequest } from '../../../src/pdk.ts'
import type { Certificate } from '../../http/authority.ts'
import { CA, Pki } from '../../http/pki.ts'
import { testGateway } from '../plugins/context.ts'
import { Revoker } from './revoker.ts'

const isThere = Bun.which('openssl') !== null
if (!isThere) console.log('skipped: revocations, because there is no openssl here')

const DAY = 24 * 3600 * 1000
const CRL = 'http://crl.test/list'
const OCSP = 'http://ocsp.test/'

describe.skipIf(!isThere)('whether a certificate was revoked', () => {
  const pki = new Pki()
  const authority = new Revoker()
  afterAll(() => {
    pki[Symbol.dispose]()
    authority[Symbol.dispose]()
  })
  const { file, openssl, index } = authority
  const crl = (revoked: readonly Certificate[], by = root, extensions: readonly string[] = []) =>
    authority.crl(by, revoked, extensions)

  const signing = [CA[0]!, 'keyUsage=critical,keyCertSign,cRLSign']
  const root = pki.issue(undefined, { subject: '/CN=Root', extensions: signing })
  const namesake = pki.issue(undefined, { subject: '/CN=Root', extensions: signing })
  const withCrl = `crlDistributionPoints=URI:${CRL}`
  const withOcsp = `authorityInfoAccess=OCSP;URI:${OCSP}`
  const client = (...extensions: string[]) => pki.issue(root, { extensions })

  interface Answering {
    readonly good?: readonly Certificate[]
    readonly revoked?: readonly Certificate[]
    readonly by?: Certificate
    readonly authority?: Certificate
    readonly options?: readonly string[]
  }

  /** Answers as an OCSP server does. */
  function ocsp(url: string, answering: Answering): Buffer {
    const { good = [], revoked = [], by = root, authority = root, options = [] } = answering
    const request = decodeURIComponent(url.slice(OCSP.length))
    const out = file()
    const signer = ['-rsigner', file(by.cert), '-rkey', file(by.key), '-CA', file(authority.cert)]
    const asked = ['-reqin', file(Buffer.from(request, 'base64')), '-respout', out]
    openssl('ocsp', '-index', index(good, revoked), ...signer, ...asked, '-ndays', '1', ...options)
    return readFileSync(out)
  }

  function signedWithSha1({ key }: Certificate, extension: string): Certificate {
    const [request, out] = [file(), file()]
    openssl('req', '-new', '-key', file(key), '-subj', '/CN=weak', '-out', request)
    const by = ['-CA', file(root.cert), '-CAkey', file(root.key), '-set_serial', '7', '-sha1']
    openssl('x509', '-req', '-in', request, ...by, '-extfile', file(extension), '-out', out)
    return { key, cert: readFileSync(out, 'utf8') }
  }

  type Server = (url: string, request: OutboundRequest) => Uint8Array | Response

  function finder(server: Server, over: Record<string, unknown> = {}, now = Date.now) {
    const asked: string[] = []
    const fetch = async (url: string, request: OutboundRequest) => {
      asked.push(url)
      const answer = server(url, request)
      return answer instanceof Response ? answer : new Response(new Uint8Array(answer))
    }
    const settings = { http_timeout: 1000, cert_cache_ttl: 60_000, ssl_verify: true, ...over }
    const find = createFindRevocation(settings, testGateway({ fetch, now }))
    return {
      asked,
      find: (certificate: Certificate, authority = root) =>
        find(new X509Certificate(certificate.cert), new X509Certificate(authority.cert)),
    }
  }

  const unknown = (why: string) => ({ unknown: expect.stringContaining(why) })

  test('a list tells', async () => {
    const [good, bad] = [client(withCrl), client(withCrl)]
    const list = crl([bad])
    const { find, asked } = finder(() => list)
    expect([await find(good), await find(bad)]).toEqual(['good', 'revoked'])
    // And is kept.
    expect(asked).toEqual([CRL])
  })

  test('a list in PEM tells too', async () => {
    const bad = client(withCrl)
    const base64 = crl([bad]).toString('base64').replace(/.{64}/g, '$&\n')
    const pem = `-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`
    expect(await finder(() => Buffer.from(pem)).find(bad)).toBe('revoked')
  })

  const plain = client(withCrl)
  const part = (name: string, critical = 'critical,') => [
    `issuingDistributionPoint=${critical}@p\n[p]\nfullname=${name}`,
  ]
  // prettier-ignore
  const LISTS: [string, () => Buffer | Response, string][] = [
    ['of a namesake',                () => crl([], namesake), 'not signed by the authority'],
    ['of a client',                  () => crl([], plain), 'not signed by the authority'],
    ['of what has changed since',    () => crl([], root, ['2.5.29.27=critical,DER:020101']), 'conditions that are not understood'],
    ['of other authorities',         () => crl([], root, ['issuingDistributionPoint=critical,@p\n[p]\nindirectCRL=TRUE']), 'a part'],
    ['for some reasons',             () => crl([], root, ['issuingDistributionPoint=critical,@p\n[p]\nonlysomereasons=keyCompromise']), 'a part'],
    ['of authorities alone',         () => crl([], root, ['issuingDistributionPoint=critical,@p\n[p]\nonlyCA=TRUE']), 'a part that the certificate is not in'],
    ['of other than certificates',   () => crl([], root, ['issuingDistributionPoint=critical,@p\n[p]\nonlyAA=TRUE']), 'a part'],
    ['of another part',              () => crl([], root, part('URI:http://crl.test/6')), 'a part that the certificate is not in'],
    ['of another part, uncritical',  () => crl([], root, part('URI:http://crl.test/6', '')), 'a part that the certificate is not in'],
    ['of a part by a relative name', () => crl([], root, ['issuingDistributionPoint=critical,@p\n[p]\nrelativename=n\n[n]\nCN=x']), 'a part that the certificate is not in'],
    ['that is cut off',              () => crl([]).subarray(0, -1), 'cut off'],
    ['that is none',                 () => Buffer.from('<html>'), 'tag'],
    ['that is not there',            () => new Response('', { status: 404 }), 'crl.test answers with 404'],
  ]
  test.each(LISTS)('a list %s tells nothing', async (_, list, why) => {
    expect(await finder(list).find(plain)).toEqual(unknown(why))
  })

  test('a list of users alone tells of them', async () => {
    const bad = client(withCrl)
    const point = ['issuingDistributionPoint=critical,@p\n[p]\nonlyuser=TRUE']
    expect(await finder(() => crl([bad], root, point)).find(bad)).toBe('revoked')
  })

  test('a list of users alone tells nothing of an authority', async () => {
    const middle = pki.issue(root, { extensions: [...CA, withCrl] })
    const point = (only: string) => [`issuingDistributionPoint=critical,@p\n[p]\n${only}=TRUE`]
    const users = crl([], root, point('onlyuser'))
    expect(await finder(() => users).find(middle)).toEqual(unknown('the certificate is not in'))
    // One that is kept for a user is no other.
    const both = finder(() => users)
    expect([await both.find(plain), await both.find(middle)]).toEqual([
      'good',
      unknown('the certificate is not in'),
    ])
    const authorities = crl([middle], root, point('onlyCA'))
    expect(await finder(() => authorities).find(middle)).toBe('revoked')
  })

  test('a part tells of the certificates that point to it, by any of its names', async () => {
    const ldap = 'ldap://a.test/x'
    const bad = client(`crlDistributionPoints=URI:${CRL},URI:${ldap}`)
    for (const point of [`URI:${CRL}`, `URI:http://crl.test/6,URI:${CRL}`])
      expect(await finder(() => crl([bad], root, part(point))).find(bad)).toBe('revoked')
    const apart = client(
      `crlDistributionPoints=a,b\n[a]\nfullname=URI:${CRL},URI:${ldap}\n[b]\nfullname=URI:http://crl.test/6`,
    )
    expect(await finder(() => crl([apart], root, part(`URI:${ldap}`))).find(apart)).toBe('revoked')
    const { find, asked } = finder((url) =>
      url === CRL
        ? crl([], root, part('URI:http://crl.test/6'))
        : new Response('', { status: 404 }),
    )
    expect(await find(apart)).toEqual(unknown('the certificate is not in'))
    expect(asked).toEqual([CRL, 'http://crl.test/6'])
  })

  test('a clock may be five minutes behind', async () => {
    const list = crl([])
    const isGood = client(withOcsp)
    for (const [minutes, status] of [
      [4, 'good'],
      [6, unknown('not of today')],
    ] as const) {
      const now = () => Date.now() - minutes * 60_000
      expect(await finder(() => list, {}, now).find(plain)).toEqual(status)
      const answers = finder((url) => ocsp(url, { good: [isGood] }), {}, now)
      expect(await answers.find(isGood)).toEqual(status)
    }
  })

  test('a list of another day tells nothing but of whom it has', async () => {
    const bad = client(withCrl)
    const list = crl([bad])
    for (const days of [-1, 3]) {
      const now = () => Date.now() + days * DAY
      const { find, asked } = finder(() => list, {}, now)
      expect(await find(plain)).toEqual(unknown('not of today'))
      expect(await find(bad)).toBe('revoked')
      // And is not kept.
      expect(asked).toEqual([CRL, CRL])
    }
    // Nor is one of somebody else believed.
    const forged = finder(
      () => crl([bad], namesake),
      {},
      () => Date.now() + 3 * DAY,
    )
    expect(await forged.find(bad)).toEqual(unknown('not signed by the authority'))
  })

  test('OCSP tells', async () => {
    const [good, bad, stranger] = [client(withOcsp), client(withOcsp), client(withOcsp)]
    const { find, asked } = finder((url) => ocsp(url, { good: [good], revoked: [bad] }))
    expect([await find(good), await find(bad)]).toEqual(['good', 'revoked'])
    expect(await find(stranger)).toEqual(unknown('does not know the certificate'))
    // RFC 5019 §5: a GET that anybody may keep.
    expect(asked.every((url) => url.startsWith(OCSP) && url.length < 255)).toBe(true)
  })

  const asked = client(withOcsp)
  const another = client(withOcsp)
  const forOcsp = ['extendedKeyUsage=OCSPSigning']
  const delegate = pki.issue(root, { extensions: forOcsp })
  const server = pki.issue(root, { extensions: ['extendedKeyUsage=serverAuth'] })
  const expired = pki.issue(root, { extensions: forOcsp, days: -1 })
  const weak = signedWithSha1(delegate, forOcsp[0]!)
  const foreign = pki.issue(namesake, { extensions: forOcsp })

  test('somebody to whom the authority has left it may answer', async () => {
    const { find } = finder((url) => ocsp(url, { revoked: [asked], by: delegate }))
    expect(await find(asked)).toBe('revoked')
  })

  // prettier-ignore
  const ANSWERS: [string, (url: string) => Buffer | Response, string][] = [
    ['of a server of the same authority', (url) => ocsp(url, { good: [asked], by: server }), 'not signed by the authority'],
    ['of one whose time is over',         (url) => ocsp(url, { good: [asked], by: expired }), 'not signed by the authority'],
    ['of one who is signed with SHA-1',   (url) => ocsp(url, { good: [asked], by: weak }), 'not signed by the authority'],
    ['of one of a namesake',              (url) => ocsp(url, { good: [asked], by: foreign, authority: root }), 'not signed by the authority'],
    ['of a namesake',                     (url) => ocsp(url, { good: [asked], by: namesake }), 'not signed by the authority'],
    ['with SHA-1',                        (url) => ocsp(url, { good: [asked], options: ['-rmd', 'sha1'] }), 'not signed by the authority'],
    ['for another certificate',           () => Buffer.from(OF_ANOTHER!), 'for another certificate'],
    ['that is an error',                  () => Buffer.from('30030a0106', 'hex'), 'OCSP answers with the error 6'],
    ['that is none',                      () => Buffer.from('<html>'), 'tag'],
    ['that is empty',                     () => Buffer.from(''), 'cut off'],
    ['that is an HTTP error',             () => new Response('', { status: 500 }), 'ocsp.test answers with 500'],
  ]
  let OF_ANOTHER: Uint8Array | undefined
  test.each(ANSWERS)('an answer %s tells nothing', async (_, answer, why) => {
    const before = finder((url) => (OF_ANOTHER = ocsp(url, { good: [another] })))
    expect(await before.find(another)).toBe('good')
    expect(await finder(answer).find(asked)).toEqual(unknown(why))
  })

  test('an answer of another day tells nothing', async () => {
    for (const days of [-1, 2]) {
      const { find } = finder(
        (url) => ocsp(url, { good: [asked] }),
        {},
        () => Date.now() + days * DAY,
      )
      expect(await find(asked)).toEqual(unknown('not of today'))
    }
  })

  test('the list is asked where OCSP does not answer, and OCSP first', async () => {
    const both = client(withOcsp, withCrl)
    const list = crl([both])
    const answers = finder((url) => (url === CRL ? list : ocsp(url, { good: [both] })))
    expect(await answers.find(both)).toBe('good')
    const silent = finder((url) => {
      if (url !== CRL) throw new Error('nobody is there')
      return list
    })
    expect(await silent.find(both)).toBe('revoked')
    const nobody = finder(() => {
      throw new Error('nobody is there')
    })
    expect(await nobody.find(both)).toEqual({ unknown: 'nobody is there; nobody is there' })
  })

  test('a certificate that names nobody cannot be told of, nor one that names what is no web address', async () => {
    const { find, asked } = finder(() => Buffer.from(''))
    for (const each of [
      client(),
      client('crlDistributionPoints=URI:ldap://a.test/x,URI:file:///etc/passwd'),
    ])
      expect(await find(each)).toEqual({ unknown: 'it names nobody who could tell' })
    expect(asked).toEqual([])
  })

  test('the proxy of the settings is asked, within their time', async () => {
    const seen: OutboundRequest[] = []
    const over = { http_proxy_host: 'proxy.test', http_proxy_port: 3128, ssl_verify: false }
    const { find } = finder(
      (_, request) => (seen.push(request), new Response('', { status: 500 })),
      over,
    )
    await find(plain)
    expect(seen).toMatchObject([
      { timeout: 1000, ssl_verify: false, proxy: { url: 'http://proxy.test:3128' } },
    ])
  })
})
