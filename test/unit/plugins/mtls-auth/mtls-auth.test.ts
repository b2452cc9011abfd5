import { afterAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import type { Consumer } from '../../../../src/entities/index.ts'
import type { ClientCertificate } from '../../../../src/pdk.ts'
import { mtlsAuth } from '../../../../src/plugins/mtls-auth/index.ts'
import type { Config } from '../../../../src/plugins/mtls-auth/schema.ts'
import { Pki } from '../../../http/pki.ts'
import { TestContext, testGateway } from '../context.ts'

const isThere = Bun.which('openssl') !== null
if (!isThere) console.log('skipped: mtls-auth, because there is no openssl here')

const CONFIG = {
  ca_certificates: ['root'],
  consumer_by: ['username'],
  san_dirname_matcher: [],
  revocation_check_mode: 'SKIP',
} as unknown as Config

describe.skipIf(!isThere)('mtls-auth', () => {
  const pki = new Pki()
  afterAll(() => pki[Symbol.dispose]())
  const root = pki.issue(undefined)
  const leaf = pki.issue(root, { subject: '/CN=ann', extensions: [], days: 1 })
  const x509 = new X509Certificate(leaf.cert)
  const shown: ClientCertificate = { pem: leaf.cert, x509, issuers: [], fault: undefined }
  const ann = { id: 'id-of-ann', username: 'ann' } as Consumer
  const nobody = { id: 'id-of-nobody', username: 'nobody' } as Consumer

  function prepare(config: Partial<Config> = {}, clock = { now: Date.now() }) {
    const gateway = testGateway({
      consumerList: [ann, nobody],
      now: () => clock.now,
      findAuthority: (id) => (id === 'root' ? new X509Certificate(root.cert) : undefined),
    })
    const handler = mtlsAuth.create({ ...CONFIG, ...config }, gateway)
    const send = (before?: TestContext) => {
      const ctx = before ?? new TestContext()
      const exit = handler.access?.(
        Object.assign(ctx, { request: { ...ctx.request, clientCertificate: shown } }),
      )
      return { ctx, exit: exit as { status: number } | undefined }
    }
    return { handler, gateway, send }
  }

  test('a certificate that expires while its connection is kept is refused from then on', () => {
    const clock = { now: Date.now() }
    const { send } = prepare({}, clock)
    expect(send().ctx.consumer).toBe(ann)
    clock.now = Date.parse(x509.validTo) + 1
    expect(send().exit?.status).toBe(401)
  })

  test('with anonymous, whom another plugin knows stays who it is', () => {
    const { send } = prepare({ anonymous: 'nobody' })
    const known = new TestContext()
    known.authenticate(nobody, { id: 'token' })
    expect(send(known).ctx.consumer).toBe(nobody)
    expect(send().ctx.consumer).toBe(ann)
  })

  test('an authority that is not there lets in nobody, of which the log tells', () => {
    const { send, gateway, handler } = prepare({ ca_certificates: ['gone'], send_ca_dn: true })
    expect(send().exit?.status).toBe(401)
    expect(gateway.lines.join()).toContain('CA certificate gone')
    expect(handler.clientCertificate).toEqual({})
  })

  test('warns of what is not honoured, and of nothing that nobody has set', () => {
    const fieldsOf = (config: Partial<Config>) =>
      mtlsAuth.warnings!({ ...CONFIG, ...config }).flatMap(({ fields }) => fields)
    expect(fieldsOf({})).toEqual([])
    expect(fieldsOf({ cache_ttl: 60, http_timeout: 1 })).toEqual([])
    expect(fieldsOf({ cache_ttl: 1 })).toEqual(['cache_ttl'])
  })
})
