import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'
import { createHash, X509Certificate } from 'node:crypto'
import {
  type ClientCertificate,
  type Handler,
  type OutboundRequest,
} from '../../../../../src/pdk.ts'
import type { Certificate } from '../../../../http/authority.ts'
import { bundled, Pki } from '../../../../http/pki.ts'
import { Revoker } from '../../../certificates/revoker.ts'
import { headerOf, TestContext } from '../../context.ts'
import { bearer, create, gatewayOf } from '../plugin.ts'
import { ScriptedProvider, type SigningKey, signingKey } from '../provider.ts'
import { Holder } from './holder.ts'

setDefaultTimeout(20_000)

const isThere = Bun.which('openssl') !== null
if (!isThere) console.log('skipped: tokens bound to certificates, because there is no openssl here')

describe.skipIf(!isThere)('tokens bound to certificates (RFC 8705 §3)', () => {
  const pki = new Pki()
  afterAll(() => pki[Symbol.dispose]())
  const leafOf = (issuer: Certificate | undefined, ...extensions: string[]) =>
    pki.issue(issuer, { extensions: ['keyUsage=digitalSignature', ...extensions] })
  const root = pki.issue(undefined, {
    subject: '/CN=Root',
    extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign,cRLSign'],
  })
  const other = pki.issue(undefined, { subject: '/CN=Other' })
  const middle = pki.issue(root, { subject: '/CN=Middle' })
  const ann = leafOf(root)
  const bob = leafOf(root)
  const annOfMiddle = leafOf(middle)

  let key: SigningKey
  let provider: ScriptedProvider
  beforeAll(async () => void (key = await signingKey('one')))
  beforeEach(() => void (provider = new ScriptedProvider(key)))

  const hashOf = ({ cert }: Certificate, encoding: 'base64url' | 'hex' = 'base64url') =>
    createHash('sha256').update(new X509Certificate(cert).raw).digest(encoding)
  const bound = (to: Certificate) => provider.accessToken({ cnf: { 'x5t#S256': hashOf(to) } })
  const shown = ({ cert }: Certificate): ClientCertificate => ({
    pem: cert,
    x509: new X509Certificate(cert),
    issuers: [],
    fault: 'not asked',
  })

  const STRICT = { auth_methods: ['bearer'], proof_of_possession_mtls: 'strict' }
  const OPTIONAL = { auth_methods: ['bearer'], proof_of_possession_mtls: 'optional' }

  async function send(
    handler: Handler,
    token: string,
    parts: Partial<Omit<TestContext['request'], 'clientCertificate'>> & {
      clientCertificate?: ClientCertificate
    } = {},
    headers: [string, string][] = [],
  ) {
    const ctx = new TestContext({ headers: [bearer(token), ...headers] })
    Object.assign(ctx.request, parts)
    const exit = await handler.access?.(ctx)
    return { ctx, exit, code: exit?.reason?.code, upstream: ctx.upstream.headers }
  }

  test('a token passes with its certificate, again and again', async () => {
    const handler = create(provider, STRICT)
    const token = await bound(ann)
    const clientCertificate = shown(ann)
    for (let i = 0; i < 3; i++) {
      const { exit, upstream } = await send(handler, token, { clientCertificate })
      expect([exit, upstream.get('authorization')]).toEqual([undefined, `Bearer ${token}`])
    }
    const ctx = new TestContext({ headers: [bearer(token)] })
    Object.assign(ctx.request, { clientCertificate })
    expect(handler.access?.(ctx)).toBeUndefined()
  })

  test('without it, and with another, it is 401 in the words of RFC 6750', async () => {
    for (const config of [STRICT, OPTIONAL]) {
      const handler = create(provider, config)
      const token = await bound(ann)
      expect((await send(handler, token, { clientCertificate: shown(ann) })).exit).toBeUndefined()
      const none = await send(handler, token)
      expect([none.exit?.status, none.code]).toEqual([401, 'no_client_certificate'])
      expect(headerOf(none.exit, 'www-authenticate')).toBe(
        'Bearer realm="provider.test", error="invalid_token"',
      )
      const wrong = await send(handler, token, { clientCertificate: shown(bob) })
      expect([wrong.exit?.status, wrong.code]).toEqual([401, 'certificate_mismatch'])
    }
  })

  test('a certificate needs no authority: the provider has bound the token to it (§6.2)', async () => {
    const own = leafOf(undefined)
    const { exit } = await send(create(provider, STRICT), await bound(own), {
      clientCertificate: shown(own),
    })
    expect(exit).toBeUndefined()
  })

  test('an unbound token is refused by strict, and passes by optional', async () => {
    const unbound = await provider.accessToken({ cnf: { jkt: 'x' } })
    expect(
      (await send(create(provider, STRICT), unbound, { clientCertificate: shown(ann) })).code,
    ).toBe('unbound_token')
    expect((await send(create(provider, OPTIONAL), unbound)).exit).toBeUndefined()
  })

  test('what is no hash is the hash of none', async () => {
    const handler = create(provider, OPTIONAL)
    const hash = hashOf(ann)
    for (const text of [
      '',
      'x',
      hash.slice(1),
      `${hash}A`,
      hashOf(ann, 'hex'),
      hash.toUpperCase(),
    ]) {
      const token = await provider.accessToken({ cnf: { 'x5t#S256': text } })
      expect((await send(handler, token, { clientCertificate: shown(ann) })).code).toBe(
        'certificate_mismatch',
      )
    }
    const padded = await provider.accessToken({ cnf: { 'x5t#S256': `${hash}=` } })
    expect((await send(handler, padded, { clientCertificate: shown(ann) })).exit).toBeUndefined()
    for (const cnf of [{ 'x5t#S256': 1 }, 'x', [hash]]) {
      const odd = await provider.accessToken({ cnf })
      expect((await send(handler, odd, { clientCertificate: shown(ann) })).code).toBe(
        'invalid_token',
      )
    }
  })

  test('a token may be bound to a certificate and to a key', async () => {
    const holder = await Holder.create()
    const cnf = { 'x5t#S256': hashOf(ann), jkt: holder.jkt }
    const token = await provider.accessToken({ cnf })
    const handler = create(provider, { ...STRICT, proof_of_possession_dpop: 'strict' })
    const ask = async (clientCertificate: ClientCertificate, withProof: boolean) => {
      const fields: [string, string][] = [['Authorization', `DPoP ${token}`]]
      if (withProof) fields.push(['DPoP', await holder.prove(token, provider.now)])
      const ctx = new TestContext({ headers: fields })
      Object.assign(ctx.request, { clientCertificate })
      return (await handler.access?.(ctx))?.reason?.code
    }
    expect(await ask(shown(ann), true)).toBeUndefined()
    expect(await ask(shown(ann), false)).toBe('invalid_dpop_proof')
    expect(await ask(shown(bob), true)).toBe('certificate_mismatch')
  })

  describe('from a header', () => {
    const base64 = ({ cert }: Certificate) => new X509Certificate(cert).raw.toString('base64')
    const escaped = ({ cert }: Certificate) => encodeURIComponent(cert)
    const field = (value: string, name = 'X-Client-Cert'): [string, string] => [name, value]
    const certificates: Record<string, Certificate> = { root, other, middle }
    const gatewayWith = (fetch?: (url: string, request: OutboundRequest) => Promise<Response>) =>
      gatewayOf(provider, {
        // The certificates are of today.
        now: () => Date.now() + 1000,
        findAuthority: (id) =>
          certificates[id] ? new X509Certificate(certificates[id].cert) : undefined,
        fetch: (url, request) =>
          url.includes('provider.test') || !fetch
            ? provider.fetch(url, request)
            : fetch(url, request),
      })
    const plugin = (over: Record<string, unknown> = {}, gateway = gatewayWith(), mode = STRICT) =>
      create(
        provider,
        {
          ...mode,
          proof_of_possession_mtls_from_header: {
            certificate_header_name: 'x-client-cert',
            certificate_header_format: 'base64_encoded',
            ca_certificates: ['root'],
            revocation_check_mode: 'SKIP',
            ...over,
          },
        },
        gateway,
      )
    const trusted = { isPeerTrusted: true }
    beforeEach(() => {
      provider.now = Date.now() + 1000
    })

    test('a token passes with the certificate that a trusted proxy sends, which the service is not sent', async () => {
      const token = await bound(ann)
      for (const value of [base64(ann), `:${base64(ann)}:`]) {
        const headers = [field(value), field('x', 'X_Client_Cert')]
        const { exit, upstream } = await send(plugin(), token, trusted, headers)
        expect([exit, upstream.has('x-client-cert'), upstream.has('x_client_cert')]).toEqual([
          undefined,
          false,
          false,
        ])
      }
      const url = plugin({ certificate_header_format: 'url_encoded' })
      expect((await send(url, token, trusted, [field(escaped(ann))])).exit).toBeUndefined()
      // AWS leaves these as they are.
      const aws = escaped(ann).replace(/%2B/g, '+').replace(/%2F/g, '/').replace(/%3D/g, '=')
      expect((await send(url, token, trusted, [field(aws)])).exit).toBeUndefined()
    })

    test.each(['X-Client-Cert', 'X_Client_Cert'])(
      'a name with underscores stands for %s, and for one of them only',
      async (name) => {
        const token = await bound(ann)
        const handler = plugin({ certificate_header_name: 'x_client_cert' })
        const { exit, upstream } = await send(handler, token, trusted, [field(base64(ann), name)])
        expect([exit, upstream.has(name.toLowerCase())]).toEqual([undefined, false])
        const both = [field(base64(ann)), field(base64(ann), 'X_Client_Cert')]
        const { code } = await send(handler, token, trusted, both)
        expect(code).toBe('invalid_client_certificate')
      },
    )

    test('nobody else is believed, unless anybody is', async () => {
      const token = await bound(ann)
      const { exit, code } = await send(plugin(), token, {}, [field(base64(ann))])
      expect([exit?.status, code]).toEqual([401, 'no_client_certificate'])
      const open = plugin({ secure_source: false })
      expect((await send(open, token, {}, [field(base64(ann))])).exit).toBeUndefined()
    })

    test('it counts before that of the connection, which counts without it (spec 12, 22)', async () => {
      const [ofAnn, ofBob] = [await bound(ann), await bound(bob)]
      const handler = plugin()
      const proxied = { ...trusted, clientCertificate: shown(bob) }
      expect((await send(handler, ofAnn, proxied, [field(base64(ann))])).exit).toBeUndefined()
      expect((await send(handler, ofBob, proxied, [field(base64(ann))])).code).toBe(
        'certificate_mismatch',
      )
      expect((await send(handler, ofBob, proxied)).exit).toBeUndefined()
      // From an untrusted peer the header is as if it were not there.
      const direct = { clientCertificate: shown(bob) }
      expect((await send(handler, ofBob, direct, [field(base64(ann))])).exit).toBeUndefined()
      expect((await send(handler, ofAnn, direct, [field(base64(ann))])).code).toBe(
        'certificate_mismatch',
      )
    })

    const expired = pki.issue(root, { extensions: ['keyUsage=digitalSignature'], days: -1 })
    // prettier-ignore
    const BAD: [string, Certificate, (of: Certificate) => [string, string][]][] = [
      ['is of another authority',   leafOf(other), (of) => [field(base64(of))]],
      ['is of its own',             leafOf(undefined), (of) => [field(base64(of))]],
      ['has expired',               expired, (of) => [field(base64(of))]],
      ['is for servers',            leafOf(root, 'extendedKeyUsage=serverAuth'), (of) => [field(base64(of))]],
      ['lacks its authority',       annOfMiddle, (of) => [field(base64(of))]],
      ['comes twice',               ann, (of) => [field(base64(of)), field(base64(of))]],
      ['is in the other format',    ann, (of) => [field(escaped(of))]],
      ['is no Base64',              ann, (of) => [field(`${base64(of)}!`)]],
      ['is a text',                 ann, () => [field('null')]],
    ]
    test.each(BAD)('a certificate that %s is refused', async (_, certificate, fieldsOf) => {
      const { exit, code } = await send(
        plugin(),
        await bound(certificate),
        trusted,
        fieldsOf(certificate),
      )
      expect(exit?.status).toBe(401)
      expect(['invalid_client_certificate', 'certificate_mismatch']).toContain(code!)
    })

    test('what stands in the header is PEM with percents, or else it is none', async () => {
      const handler = plugin({ certificate_header_format: 'url_encoded' })
      const token = await bound(ann)
      const many = escaped({ key: '', cert: ann.cert.repeat(11) })
      for (const value of ['%', 'x', '%2D', base64(ann), escaped(ann).slice(0, -20), many])
        expect((await send(handler, token, trusted, [field(value)])).code).toBe(
          'invalid_client_certificate',
        )
    })

    test('its authorities may come with it, or be trusted as they are', async () => {
      const token = await bound(annOfMiddle)
      const url = { certificate_header_format: 'url_encoded' }
      const chain = field(escaped(bundled(annOfMiddle, middle)))
      expect((await send(plugin(url), token, trusted, [chain])).exit).toBeUndefined()
      const alone = [field(base64(annOfMiddle))]
      const ids = { ca_certificates: ['middle'] }
      expect((await send(plugin(ids), token, trusted, alone)).code).toBe(
        'invalid_client_certificate',
      )
      expect(
        (await send(plugin({ ...ids, allow_partial_chain: true }), token, trusted, alone)).exit,
      ).toBeUndefined()
      expect(
        (await send(plugin({ ca_certificates: ['root', 'middle'] }), token, trusted, alone)).exit,
      ).toBeUndefined()
      const nobody = gatewayWith()
      expect(
        (await send(plugin({ ca_certificates: ['none'] }, nobody), token, trusted, alone)).code,
      ).toBe('invalid_client_certificate')
      expect(nobody.lines).toContain(
        'openid-connect: the CA certificate none cannot be read, and lets in nobody',
      )
    })

    describe('revocations', () => {
      const listed = leafOf(root, 'crlDistributionPoints=URI:http://crl.test/list')
      const silent = () => {
        const asked: string[] = []
        const gateway = gatewayWith(async (url) => {
          asked.push(url)
          throw new Error('nobody is there')
        })
        return { asked, gateway }
      }
      const ask = async (handler: Handler, of: Certificate) =>
        (await send(handler, await bound(of), trusted, [field(base64(of))])).code

      test('an authority that cannot be asked is no reason to refuse, but with STRICT', async () => {
        const { asked, gateway } = silent()
        const lax = plugin({ revocation_check_mode: 'IGNORE_CA_ERROR' }, gateway)
        expect([await ask(lax, listed), await ask(lax, listed)]).toEqual([undefined, undefined])
        // Who was not there is not asked for each request.
        expect(asked).toEqual(['http://crl.test/list'])
        const strict = plugin({ revocation_check_mode: 'STRICT' }, silent().gateway)
        expect(await ask(strict, listed)).toBe('invalid_client_certificate')
        expect(await ask(strict, ann)).toBe('invalid_client_certificate')
      })

      test('a revoked one is refused, and a good one passes', async () => {
        using revoker = new Revoker()
        const point = 'crlDistributionPoints=URI:http://crl.test/list'
        const [good, bad] = [leafOf(root, point), leafOf(root, point)]
        const list = new Uint8Array(revoker.crl(root, [bad]))
        const asked: string[] = []
        const gateway = gatewayWith(async (url) => {
          asked.push(url)
          return new Response(list)
        })
        for (const revocation_check_mode of ['STRICT', 'IGNORE_CA_ERROR']) {
          const handler = plugin({ revocation_check_mode }, gateway)
          const codes = [await ask(handler, good), await ask(handler, bad), await ask(handler, bad)]
          expect(codes).toEqual([
            undefined,
            'revoked_client_certificate',
            'revoked_client_certificate',
          ])
        }
        expect(asked).toEqual(['http://crl.test/list'])
      })

      test('an intermediate authority may be revoked as well', async () => {
        using revoker = new Revoker()
        const point = 'crlDistributionPoints=URI:http://crl.test/list'
        const authority = ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign', point]
        const revoked = pki.issue(root, { subject: '/CN=Revoked', extensions: authority })
        const leaf = leafOf(revoked)
        const list = new Uint8Array(revoker.crl(root, [revoked]))
        const over = {
          revocation_check_mode: 'IGNORE_CA_ERROR',
          certificate_header_format: 'url_encoded',
        }
        const handler = plugin(
          over,
          gatewayWith(async () => new Response(list)),
        )
        const chain = field(escaped(bundled(leaf, revoked)))
        expect((await send(handler, await bound(leaf), trusted, [chain])).code).toBe(
          'revoked_client_certificate',
        )
      })

      test('SKIP asks nobody, nor is anybody asked for a certificate that proves nothing', async () => {
        const { asked, gateway } = silent()
        expect(await ask(plugin({}, gateway), listed)).toBeUndefined()
        const strict = plugin({ revocation_check_mode: 'STRICT' }, gateway)
        const ofBob = await bound(bob)
        expect((await send(strict, ofBob, trusted, [field(base64(listed))])).code).toBe(
          'certificate_mismatch',
        )
        const stranger = leafOf(other, 'crlDistributionPoints=URI:http://evil.test/')
        expect(await ask(strict, stranger)).toBe('invalid_client_certificate')
        expect(asked).toEqual([])
      })
    })

    test('random texts are refused and nothing else', async () => {
      for (const format of ['base64_encoded', 'url_encoded']) {
        const handler = plugin({ certificate_header_format: format })
        const token = await bound(ann)
        const good = format === 'url_encoded' ? escaped(ann) : base64(ann)
        for (let i = 0; i < 300; i++) {
          const at = (i * 7919) % good.length
          const value =
            good.slice(0, at) + String.fromCharCode(0x21 + (i % 94)) + good.slice(at + (i % 3))
          if (value === good) continue
          const { exit, code } = await send(handler, token, trusted, [field(value)])
          if (exit) expect(['invalid_client_certificate', 'certificate_mismatch']).toContain(code!)
          // A line break of PEM that became a blank is no other certificate, and neither are bits of Base64 that mean nothing.
          else if (format === 'base64_encoded')
            expect(Buffer.from(value, 'base64')).toEqual(Buffer.from(good, 'base64'))
        }
      }
    })
  })
})
