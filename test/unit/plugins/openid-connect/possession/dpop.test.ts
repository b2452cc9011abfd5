import { beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { exportJWK } from 'jose'
import type { Exit, Handler, ResponseContext } from '../../../../../src/pdk.ts'
import { HeaderList } from '../../../../../src/headers.ts'
import { messageOf, TestContext } from '../../context.ts'
import { bearer, create, gatewayOf } from '../plugin.ts'
import { ScriptedProvider, type SigningKey, signingKey } from '../provider.ts'
import { Holder } from './holder.ts'

let key: SigningKey
let holder: Holder
let other: Holder
let provider: ScriptedProvider
let token: string

beforeAll(async () => {
  key = await signingKey('one')
  holder = await Holder.create()
  other = await Holder.create()
})
beforeEach(async () => {
  provider = new ScriptedProvider(key)
  token = await provider.accessToken({ cnf: { jkt: holder.jkt } })
})

const STRICT = { auth_methods: ['bearer'], proof_of_possession_dpop: 'strict' }
const OPTIONAL = { auth_methods: ['bearer'], proof_of_possession_dpop: 'optional' }
const ALGS = 'algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA Ed25519"'
const REALM = 'realm="provider.test"'

const dpop = (value: string): [string, string] => ['Authorization', `DPoP ${value}`]
const proofField = (value: string): [string, string] => ['DPoP', value]
const prove = (over = {}, header = {}, by = holder) => by.prove(token, provider.now, over, header)

type Parts = Partial<Omit<TestContext['request'], 'headers'>>

/** Sends a request through the plugin, and its answer too. */
async function send(handler: Handler, headers: [string, string][], parts: Parts = {}) {
  const ctx = new TestContext({ headers, ...(parts.method && { method: parts.method }) })
  Object.assign(ctx.request, parts)
  const exit = await handler.access?.(ctx)
  const answer = HeaderList.of(exit?.headers ?? [])
  handler.header_filter?.({ request: ctx.request, headers: answer } as unknown as ResponseContext)
  return { ctx, exit, answer, code: exit?.reason?.code, upstream: ctx.upstream.headers }
}

function challenges(exit: Exit | undefined): string[] {
  return (exit?.headers ?? [])
    .filter(([name]) => name === 'WWW-Authenticate')
    .map(([, value]) => value)
}

test('§7.1: a token with its proof passes, and is a bearer token for the service', async () => {
  const { exit, upstream } = await send(create(provider, STRICT), [
    dpop(token),
    proofField(await prove()),
  ])
  expect(exit).toBeUndefined()
  expect(upstream.all('authorization')).toEqual([`Bearer ${token}`])
  expect(upstream.has('dpop')).toBe(false)
})

test('it is so where the token is not passed on either', async () => {
  const config = { ...STRICT, upstream_access_token_header: null, hide_credentials: false }
  const fields = [dpop(token), proofField(await prove()), ['d_pop', 'x'] as [string, string]]
  const { exit, upstream } = await send(create(provider, config), fields)
  expect(exit).toBeUndefined()
  expect(upstream.all('authorization')).toEqual([`Bearer ${token}`])
})

test('the proof is checked each time, however well the token is known', async () => {
  const handler = create(provider, STRICT)
  const connection = {}
  for (let i = 0; i < 3; i++) {
    const good = await send(handler, [dpop(token), proofField(await prove())], { connection })
    expect(good.exit).toBeUndefined()
    const bad = await send(handler, [dpop(token)], { connection })
    expect(bad.code).toBe('invalid_dpop_proof')
  }
  expect(provider.requests.filter((each) => each.endsWith('/keys'))).toHaveLength(1)
})

test('who proves nothing is known without a promise', async () => {
  const handler = create(provider, STRICT)
  const connection = {}
  await send(handler, [dpop(token), proofField(await prove())], { connection })
  const ctx = new TestContext({ headers: [dpop(token), proofField(await prove())] })
  Object.assign(ctx.request, { connection })
  expect(handler.access?.(ctx)).toBeUndefined()
})

test.each([
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
])(
  'a proof may be signed with %s',
  async (alg) => {
    const by = await Holder.create(alg)
    token = await provider.accessToken({ cnf: { jkt: by.jkt } })
    const handler = create(provider, STRICT)
    const proof = await prove({}, {}, by)
    expect((await send(handler, [dpop(token), proofField(proof)])).exit).toBeUndefined()
    const dot = proof.lastIndexOf('.')
    const first = proof[dot + 1] === 'A' ? 'B' : 'A'
    const forged = `${proof.slice(0, dot + 1)}${first}${proof.slice(dot + 2)}`
    expect((await send(handler, [dpop(token), proofField(forged)])).code).toBe('invalid_dpop_proof')
  },
  30_000,
)

/** A proof whose parts are as they are told, signed or not. */
const made = (header: unknown, claims: unknown, signature = 'AAAA') =>
  [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.') + `.${signature}`

// prettier-ignore
const BROKEN: [rule: string, make: () => Promise<string> | string, why: string][] = [
  ['2: no JWT',                          () => 'x', 'is no JWT'],
  ['2: two parts',                       async () => (await prove()).split('.').slice(0, 2).join('.'), 'is no JWT'],
  ['2: five parts',                      async () => `${await prove()}.a.b`, 'is no JWT'],
  ['2: padded',                          async () => `${await prove()}=`, 'is no JWT'],
  ['2: a list',                          async () => `${await prove()}, ${await prove()}`, 'is no JWT'],
  ['2: JSON that is none',               () => `${Buffer.from('{').toString('base64url')}.e30.AA`, 'is no JWT'],
  ['2: bytes that are no UTF-8',         () => `${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.e30.AA`, 'is no JWT'],
  ['2: longer than any',                 () => `${'a'.repeat(9000)}.a.a`, 'is too long'],
  ['3: no jti',                          () => prove({ jti: undefined }), 'has no "jti"'],
  ['3: a jti that is a number',          () => prove({ jti: 1 }), 'has no "jti"'],
  ['3: no htm',                          () => prove({ htm: undefined }), 'has no "htm"'],
  ['3: no htu',                          () => prove({ htu: undefined }), 'has no "htu"'],
  ['3: no iat',                          () => prove({ iat: undefined }), 'has no "iat"'],
  ['3: an iat that is a text',           () => prove({ iat: '1' }), 'has no "iat"'],
  ['3: no ath',                          () => prove({ ath: undefined }), 'is for another token'],
  ['4: no typ',                          () => prove({}, { typ: undefined }), 'has not the type'],
  ['4: the typ of an access token',      () => prove({}, { typ: 'at+jwt' }), 'has not the type'],
  ['5: none',                            () => made({ typ: 'dpop+jwt', alg: 'none', jwk: holder.jwk }, {}), 'which is not allowed'],
  ['5: a shared secret',                 () => made({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }, {}), 'which is not allowed'],
  ['5: an algorithm for another key',    () => made({ typ: 'dpop+jwt', alg: 'RS256', jwk: holder.jwk }, {}), 'not for its algorithm'],
  ['5: a curve of another algorithm',    () => made({ typ: 'dpop+jwt', alg: 'ES384', jwk: holder.jwk }, {}), 'not for its algorithm'],
  ['5: an algorithm that no text is',    () => made({ typ: 'dpop+jwt', alg: ['ES256'], jwk: holder.jwk }, {}), 'which is not allowed'],
  ['6: no jwk',                          () => prove({}, { jwk: undefined }), 'has no "jwk"'],
  ['6: a jwk that cannot be',            () => prove({}, { jwk: { ...holder.jwk, x: 'AAAA' } }), ''],
  ['6: signed with another key',         () => prove({}, { jwk: holder.jwk }, other), 'is not signed with its key'],
  ['6: something after the signature',   async () => `${await prove()}AA`, ''],
  ['6: a critical extension',            async () => made({ typ: 'dpop+jwt', alg: 'ES256', jwk: holder.jwk, crit: ['x'], x: 1 }, {}), 'has the header "crit"'],
  ['7: a private key',                   async () => prove({}, { jwk: await exportJWK(holder.privateKey) }), 'shows a private key'],
  ['8: another method',                  () => prove({ htm: 'POST' }), 'is for another method'],
  ['8: the method in small letters',     () => prove({ htm: 'get' }), 'is for another method'],
  ['9: another host',                    () => prove({ htu: 'http://other.test:8000/' }), 'is for another address'],
  ['9: another port',                    () => prove({ htu: 'http://gateway.test/' }), 'is for another address'],
  ['9: another scheme',                  () => prove({ htu: 'https://gateway.test:8000/' }), 'is for another address'],
  ['9: another path',                    () => prove({ htu: 'http://gateway.test:8000/x' }), 'is for another address'],
  ['9: a user in it',                    () => prove({ htu: 'http://u@gateway.test:8000/' }), 'is for another address'],
  ['9: no URI',                          () => prove({ htu: '/' }), 'is for another address'],
  ['11: too old',                        () => prove({ iat: provider.now / 1000 - 300 }), 'is too old'],
  ['11: of a time to come',              () => prove({ iat: provider.now / 1000 + 6 }), 'is of a time to come'],
  ['11: of no time',                     () => made({ typ: 'dpop+jwt', alg: 'ES256', jwk: holder.jwk }, { jti: 'a', htm: 'GET', htu: 'x', iat: 1e999 }), 'has no "iat"'],
  ['12: of another token',               () => prove({ ath: createHash('sha256').update('x').digest('base64url') }), 'is for another token'],
  ['12: an ath that is no hash',         () => prove({ ath: 'x' }), 'is for another token'],
]

test.each(BROKEN)('§4.3, %s: refused', async (_, make, why) => {
  const proof = await make()
  const handler = create(provider, { ...STRICT, display_errors: true })
  const { exit, code } = await send(handler, [dpop(token), proofField(proof)])
  expect(exit?.status).toBe(401)
  expect(['invalid_dpop_proof', 'dpop_key_mismatch']).toContain(code!)
  expect(String(messageOf(exit))).toContain(why)
})

test('§4.3, 1: two proofs are refused, and none', async () => {
  const handler = create(provider, STRICT)
  const two = await send(handler, [
    dpop(token),
    proofField(await prove()),
    proofField(await prove()),
  ])
  expect([two.exit?.status, two.code]).toEqual([401, 'invalid_dpop_proof'])
  const none = await send(handler, [dpop(token)])
  expect([none.exit?.status, none.code]).toEqual([401, 'invalid_dpop_proof'])
  expect(messageOf(none.exit)).toBe('Unauthorized')
  expect(challenges(none.exit)).toEqual([`DPoP ${REALM}, error="invalid_dpop_proof", ${ALGS}`])
})

test('§4.3, 12: the key has to be the one that the token is bound to', async () => {
  const { exit, code } = await send(create(provider, STRICT), [
    dpop(token),
    proofField(await prove({}, {}, other)),
  ])
  expect([exit?.status, code]).toEqual([401, 'dpop_key_mismatch'])
  expect(challenges(exit)).toEqual([`DPoP ${REALM}, error="invalid_token", ${ALGS}`])
})

test('§7.2: a bound token is no bearer token, strict or optional', async () => {
  for (const config of [STRICT, OPTIONAL]) {
    const handler = create(provider, config)
    const query = { query: `access_token=${token}` }
    for (const [fields, parts] of [
      [[bearer(token)], {}],
      [[bearer(token), proofField(await prove())], {}],
      [[['X-Access-Token', token] as [string, string]], {}],
      [[], query],
    ] as const) {
      const { exit, code } = await send(handler, [...fields], parts)
      expect([exit?.status, code]).toEqual([401, 'downgraded_token'])
    }
  }
})

test('an unbound token is refused by strict, whatever its scheme, and passes by optional', async () => {
  const unbound = await provider.accessToken()
  const ofCertificate = await provider.accessToken({ cnf: { 'x5t#S256': 'x' } })
  for (const each of [unbound, ofCertificate]) {
    for (const field of [bearer(each), dpop(each)]) {
      expect((await send(create(provider, STRICT), [field])).code).toBe('unbound_token')
      expect((await send(create(provider, OPTIONAL), [field])).exit).toBeUndefined()
    }
  }
})

test('a token whose binding cannot be read does not pass as an unbound one', async () => {
  const handler = create(provider, OPTIONAL)
  for (const cnf of ['x', [], { jkt: 1 }, { jkt: ['x'] }]) {
    const odd = await provider.accessToken({ cnf })
    expect((await send(handler, [bearer(odd)])).code).toBe('invalid_token')
  }
  for (const cnf of [null, {}, { jkt: null }]) {
    const unbound = await provider.accessToken({ cnf })
    expect((await send(handler, [bearer(unbound)])).exit).toBeUndefined()
  }
})

test('several credentials are refused', async () => {
  const handler = create(provider, STRICT)
  const proof = proofField(await prove())
  const { exit, code } = await send(handler, [dpop(token), bearer('x'), proof])
  expect([exit?.status, code]).toEqual([401, 'malformed_credentials'])
  expect((await send(handler, [dpop(`${token}, DPoP ${token}`), proof])).exit?.status).toBe(401)
})

describe('the address of a request', () => {
  // prettier-ignore
  const ADDRESSES: [htu: string, parts: Parts, headers: [string, string][], isGood: boolean][] = [
    ['HTTP://GATEWAY.test:8000/?a=b#c',      {}, [], true],
    ['http://gateway.test:8000',             {}, [], true],
    ['http://gateway.test:8000/a/b',         { rawPath: '/a/./c/../b' }, [], true],
    ['http://gateway.test:8000/a/%7e/../b',  { rawPath: '/a/b' }, [], true],
    ['http://gateway.test:8000/%7Ea%2fb',    { rawPath: '/~a%2Fb' }, [], true],
    ['http://gateway.test:8000/a/b',         { rawPath: '/a%2Fb' }, [], false],
    ['http://gateway.test:8000/a',           { rawPath: '//a' }, [], false],
    ['http://gateway.test:8000/a/b',         { rawPath: '/a\\b' }, [], false],
    ['http://gateway.test:8000/A',           { rawPath: '/a' }, [], false],
    ['http://gateway.test:8000/a',           { rawPath: '/a/' }, [], false],
    ['https://gateway.test:443/',            { scheme: 'https', host: 'gateway.test' }, [], true],
    ['https://gateway.test/',                { scheme: 'https', host: 'gateway.test:443' }, [], true],
    ['http://[2001:DB8::1]/',                { host: '[2001:db8::1]:80' }, [], true],
    ['https://shop.test/',                   {}, [['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'shop.test']], false],
    ['https://shop.test/',                   { isPeerTrusted: true }, [['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'shop.test']], true],
    ['https://shop.test:8443/shop/a',        { isPeerTrusted: true, rawPath: '/a' }, [['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'shop.test'], ['X-Forwarded-Port', '8443'], ['X-Forwarded-Path', '/shop/a?x=1']], true],
    ['https://shop.test/',                   { isPeerTrusted: true }, [['X-Forwarded-Proto', 'http, https'], ['X-Forwarded-Host', 'evil.test, shop.test']], true],
    ['http://evil.test/',                    { isPeerTrusted: true }, [['X-Forwarded-Host', 'evil.test, shop.test']], false],
    ['http://a b/',                          { host: 'a b' }, [], false],
    ['http://gateway.test:8000/%zz',         { rawPath: '/%zz' }, [], false],
  ]
  test.each(ADDRESSES)('%s for %j with %j: %j', async (htu, parts, headers, isGood) => {
    const fields = [dpop(token), proofField(await prove({ htu })), ...headers]
    const { code } = await send(create(provider, STRICT), fields, parts)
    expect(code).toBe(isGood ? undefined : 'invalid_dpop_proof')
  })
})

describe('§11.1: a proof is good once', () => {
  test('and not again', async () => {
    const handler = create(provider, STRICT)
    const proof = proofField(await prove())
    expect((await send(handler, [dpop(token), proof])).exit).toBeUndefined()
    const again = await send(handler, [dpop(token), proof])
    expect([again.exit?.status, again.code]).toEqual([401, 'replayed_dpop_proof'])
    expect(challenges(again.exit)).toEqual([`DPoP ${REALM}, error="invalid_dpop_proof", ${ALGS}`])
  })

  test('nor after a reload, or for another plugin', async () => {
    const gateway = gatewayOf(provider)
    const proof = proofField(await prove())
    expect(
      (await send(create(provider, STRICT, gateway), [dpop(token), proof])).exit,
    ).toBeUndefined()
    const { code } = await send(create(provider, { ...OPTIONAL, leeway: 9 }, gateway), [
      dpop(token),
      proof,
    ])
    expect(code).toBe('replayed_dpop_proof')
  })

  test('nor in its last second, and after it it is too old', async () => {
    const handler = create(provider, { ...STRICT, dpop_proof_lifetime: 10 })
    const proof = proofField(await prove())
    expect((await send(handler, [dpop(token), proof])).exit).toBeUndefined()
    provider.pass(9)
    expect((await send(handler, [dpop(token), proof])).code).toBe('replayed_dpop_proof')
    provider.pass(1)
    expect((await send(handler, [dpop(token), proof])).code).toBe('invalid_dpop_proof')
  })

  test('one that was refused for something else is not used up', async () => {
    const handler = create(provider, STRICT)
    const proof = proofField(await prove())
    expect((await send(handler, [dpop(token), proof], { method: 'POST' })).code).toBe(
      'invalid_dpop_proof',
    )
    expect((await send(handler, [dpop(token), proof])).exit).toBeUndefined()
  })

  test('the same jti of another key is another proof', async () => {
    const handler = create(provider, STRICT)
    const jti = 'one'
    expect(
      (await send(handler, [dpop(token), proofField(await prove({ jti }))])).exit,
    ).toBeUndefined()
    token = await provider.accessToken({ cnf: { jkt: other.jkt } })
    const { exit } = await send(handler, [dpop(token), proofField(await prove({ jti }, {}, other))])
    expect(exit).toBeUndefined()
  })
})

test('clocks may differ by leeway, and a little in any case', async () => {
  const at = (seconds: number) => prove({ iat: provider.now / 1000 + seconds })
  const codes = async (config: Record<string, unknown>, ...times: number[]) => {
    const handler = create(provider, { ...STRICT, dpop_proof_lifetime: 30, ...config })
    const found: unknown[] = []
    for (const time of times)
      found.push((await send(handler, [dpop(token), proofField(await at(time))])).code)
    return found
  }
  const bad = 'invalid_dpop_proof'
  expect(await codes({}, -29, -30, 5, 6)).toEqual([undefined, bad, undefined, bad])
  expect(await codes({ leeway: 20 }, -49, -50, 20, 21)).toEqual([undefined, bad, undefined, bad])
})

describe('§8: with nonces', () => {
  const NONCES = { ...STRICT, dpop_use_nonce: true, session_secret: 's'.repeat(32) }

  /** The nonce of an answer. */
  async function nonceOf(handler: Handler): Promise<string> {
    const { answer } = await send(handler, [dpop(token), proofField(await prove())])
    return answer.get('dpop-nonce')!
  }

  test('a proof without one is told one, and passes with it', async () => {
    const handler = create(provider, NONCES)
    const { exit, code, answer } = await send(handler, [dpop(token), proofField(await prove())])
    expect([exit?.status, code]).toEqual([401, 'use_dpop_nonce'])
    expect(challenges(exit)).toEqual([`DPoP ${REALM}, error="use_dpop_nonce", ${ALGS}`])
    expect(answer.get('cache-control')).toBe('no-store')
    const nonce = answer.get('dpop-nonce')!
    expect(nonce).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/)
    const good = await send(handler, [dpop(token), proofField(await prove({ nonce }))])
    expect([good.exit, good.answer.get('dpop-nonce')]).toEqual([undefined, undefined])
  })

  test('who sends no proof is told one too, and what code is left out is told for it in any case', async () => {
    const handler = create(provider, { ...NONCES, expose_error_code: false })
    const none = await send(handler, [dpop(token)])
    expect(none.answer.has('dpop-nonce')).toBe(true)
    expect(challenges(none.exit)).toEqual([`DPoP ${REALM}, ${ALGS}`])
    const { exit } = await send(handler, [dpop(token), proofField(await prove())])
    expect(challenges(exit)).toEqual([`DPoP ${REALM}, error="use_dpop_nonce", ${ALGS}`])
  })

  test('a new one comes with an answer before the old one is over', async () => {
    const handler = create(provider, NONCES)
    const nonce = await nonceOf(handler)
    provider.pass(151)
    const { exit, answer } = await send(handler, [dpop(token), proofField(await prove({ nonce }))])
    expect(exit).toBeUndefined()
    expect(answer.get('cache-control')).toBe('no-store')
    const next = answer.get('dpop-nonce')!
    expect(next).not.toBe(nonce)
    provider.pass(149)
    token = await provider.accessToken({ cnf: { jkt: holder.jkt } })
    const late = await send(handler, [dpop(token), proofField(await prove({ nonce }))])
    expect([late.code, late.answer.has('dpop-nonce')]).toEqual(['use_dpop_nonce', true])
    const good = await send(handler, [dpop(token), proofField(await prove({ nonce: next }))])
    expect(good.exit).toBeUndefined()
  })

  test('the clock of the client is of no account', async () => {
    const handler = create(provider, NONCES)
    const nonce = await nonceOf(handler)
    for (const iat of [0, 1e11]) {
      const proof = await prove({ nonce, iat })
      expect((await send(handler, [dpop(token), proofField(proof)])).exit).toBeUndefined()
      expect((await send(handler, [dpop(token), proofField(proof)])).code).toBe(
        'replayed_dpop_proof',
      )
    }
  })

  test('nobody else makes them, for another issuer or from the future either', async () => {
    const handler = create(provider, NONCES)
    const nonce = await nonceOf(handler)
    const elsewhere = await nonceOf(create(provider, { ...NONCES, session_secret: 't'.repeat(32) }))
    const changed = Buffer.from(nonce, 'base64url')
    changed[5]! ^= 1
    for (const each of [
      elsewhere,
      changed.toString('base64url'),
      '',
      'x',
      `${nonce}A`,
      nonce.slice(0, -1),
      1,
    ]) {
      const { code } = await send(handler, [dpop(token), proofField(await prove({ nonce: each }))])
      expect(code).toBe('use_dpop_nonce')
    }
    provider.pass(-301)
    token = await provider.accessToken({ cnf: { jkt: holder.jkt } })
    const { code } = await send(handler, [dpop(token), proofField(await prove({ nonce }))])
    expect(code).toBe('use_dpop_nonce')
  })

  test.each([
    [{ session_secret: 's'.repeat(32) }],
    [{ session_secret: undefined, client_id: ['a'], client_secret: ['the secret'] }],
  ])('another node with the same %j knows them', async (common) => {
    const config = { ...NONCES, ...common }
    const node = (secret: string) =>
      create(provider, config, gatewayOf(provider, { secrets: (_, given) => [given ?? secret] }))
    const nonce = await nonceOf(node('one'))
    const { exit } = await send(node('two'), [dpop(token), proofField(await prove({ nonce }))])
    expect(exit).toBeUndefined()
  })

  test('without a common secret a node knows its own', async () => {
    const { session_secret: _, ...config } = NONCES
    const handler = create(provider, config)
    const nonce = await nonceOf(handler)
    expect(
      (await send(handler, [dpop(token), proofField(await prove({ nonce }))])).exit,
    ).toBeUndefined()
  })

  test('anonymous callers are told one, and who would be sent elsewhere is not', async () => {
    const consumerList = [{ id: 'a', username: 'nobody' }] as never
    const open = create(
      provider,
      { ...NONCES, anonymous: 'nobody' },
      gatewayOf(provider, { consumerList }),
    )
    const { exit, ctx, answer } = await send(open, [dpop(token), proofField(await prove())])
    expect([exit, ctx.isAnonymous, answer.has('dpop-nonce')]).toEqual([undefined, true, true])
    expect(ctx.upstream.headers.has('dpop')).toBe(false)
    const away = create(provider, { ...NONCES, unauthorized_redirect_uri: ['http://a.test/'] })
    expect((await send(away, [dpop(token), proofField(await prove())])).exit?.status).toBe(401)
    expect((await send(away, [dpop(token)])).exit?.status).toBe(302)
  })
})

describe('§7.1: the challenge', () => {
  test('says nothing of an error to who has sent nothing', async () => {
    const strict = await send(create(provider, STRICT), [])
    expect(challenges(strict.exit)).toEqual([`DPoP ${REALM}, ${ALGS}`])
    const optional = await send(create(provider, OPTIONAL), [])
    expect(challenges(optional.exit)).toEqual([`Bearer ${REALM}`, `DPoP ${REALM}, ${ALGS}`])
  })

  test('is in the words of both schemes where both may pass', async () => {
    const handler = create(provider, OPTIONAL)
    const bad = await send(handler, [bearer('x.y.z')])
    expect(challenges(bad.exit)).toEqual([
      `Bearer ${REALM}, error="invalid_token"`,
      `DPoP ${REALM}, error="invalid_token", ${ALGS}`,
    ])
    const unproved = await send(handler, [dpop(token)])
    expect(challenges(unproved.exit)).toEqual([
      `Bearer ${REALM}`,
      `DPoP ${REALM}, error="invalid_dpop_proof", ${ALGS}`,
    ])
  })

  test('describes the error where errors are displayed, and says none where codes are not', async () => {
    const shown = await send(create(provider, { ...STRICT, display_errors: true }), [dpop(token)])
    expect(challenges(shown.exit)).toEqual([
      `DPoP ${REALM}, error="invalid_dpop_proof", error_description="the DPoP proof is missing", ${ALGS}`,
    ])
    const hidden = await send(create(provider, { ...STRICT, expose_error_code: false }), [
      dpop(token),
    ])
    expect(challenges(hidden.exit)).toEqual([`DPoP ${REALM}, ${ALGS}`])
  })

  test('is for a scope that lacks too', async () => {
    const handler = create(provider, { ...STRICT, scopes_required: ['admin'] })
    const { exit } = await send(handler, [dpop(token), proofField(await prove())])
    expect(exit?.status).toBe(403)
    expect(challenges(exit)).toEqual([`DPoP ${REALM}, error="insufficient_scope", ${ALGS}`])
  })

  test('stays that of bearer tokens without DPoP', async () => {
    const { exit } = await send(create(provider, { auth_methods: ['bearer'] }), [dpop(token)])
    expect(challenges(exit)).toEqual([`Bearer ${REALM}`])
  })
})

describe('elsewhere', () => {
  const CLIENT = { client_id: ['kong'], client_secret: ['secret'] }
  const introspected = (answer: Record<string, unknown>) => {
    provider.instead['/introspect'] = () => ({ json: { active: true, ...answer } })
    return {
      ...CLIENT,
      ...STRICT,
      auth_methods: ['introspection'],
      introspection_endpoint: 'http://provider.test/introspect',
    }
  }

  test('§6.2: the key is that of the introspection', async () => {
    token = 'opaque'
    const handler = create(provider, introspected({ cnf: { jkt: holder.jkt } }))
    expect((await send(handler, [dpop(token), proofField(await prove())])).exit).toBeUndefined()
    expect((await send(handler, [dpop(token), proofField(await prove({}, {}, other))])).code).toBe(
      'dpop_key_mismatch',
    )
    const unbound = create(provider, { ...introspected({ cnf: null }), cache_introspection: false })
    expect((await send(unbound, [dpop(token), proofField(await prove())])).code).toBe(
      'unbound_token',
    )
  })

  test('an introspection that says nothing of it does not unbind a token', async () => {
    const config = { ...introspected({ cnf: null }), proof_of_possession_dpop: 'optional' }
    expect((await send(create(provider, config), [bearer(token)])).code).toBe('downgraded_token')
  })

  test('methods that cannot bind pass where that is allowed', async () => {
    const config = {
      ...CLIENT,
      ...STRICT,
      auth_methods: ['bearer', 'password'],
      proof_of_possession_auth_methods_validation: false,
    }
    const basic: [string, string] = ['Authorization', `Basic ${btoa('alex:doe')}`]
    expect((await send(create(provider, config), [basic])).exit).toBeUndefined()
  })

  test('a session of a bound token asks for a proof, and does not end without one', async () => {
    const handler = create(provider, {
      ...STRICT,
      auth_methods: ['bearer', 'session'],
      session_secret: 's'.repeat(32),
    })
    const begun = await send(handler, [dpop(token), proofField(await prove())])
    const cookie = begun.answer.get('set-cookie')!.split(';')[0]!
    const session: [string, string] = ['Cookie', cookie]
    const stolen = await send(handler, [session])
    expect([stolen.exit?.status, stolen.code]).toEqual([401, 'invalid_dpop_proof'])
    expect(stolen.answer.has('set-cookie')).toBe(false)
    const good = await send(handler, [session, proofField(await prove())])
    expect(good.exit).toBeUndefined()
    expect(good.upstream.get('authorization')).toBe(`Bearer ${token}`)
  })
})

test('whatever stands in the proof, the answer is a refusal', async () => {
  const handler = create(provider, STRICT)
  const good = await prove()
  let seed = 1
  const random = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit
  const values = [
    null,
    0,
    -1,
    1e308,
    '',
    'x',
    [],
    {},
    true,
    '\u0000',
    '__proto__',
    'ES256',
    'RSA',
    'EC',
    'AAAA',
  ]
  for (let i = 0; i < 3000; i++) {
    let text = good
    if (i % 2 === 0) {
      const at = random(good.length)
      text =
        good.slice(0, at) +
        String.fromCharCode(0x21 + random(0x5e)).repeat(random(3)) +
        good.slice(at + random(3))
    } else {
      const pick = () => values[random(values.length)]
      const jwk = { kty: pick(), crv: pick(), x: pick(), y: pick(), n: pick(), e: pick() }
      const header = {
        typ: 'dpop+jwt',
        alg: random(3) ? 'ES256' : pick(),
        jwk: random(3) ? { ...holder.jwk, ...(random(2) ? {} : jwk) } : pick(),
      }
      const claims = {
        jti: pick(),
        htm: pick(),
        htu: pick(),
        iat: pick(),
        ath: pick(),
        nonce: pick(),
      }
      text = made(header, random(4) ? claims : pick(), 'AAAA'.repeat(random(30)))
    }
    if (text === good) continue
    const { exit, code } = await send(handler, [dpop(token), proofField(text)])
    expect(exit?.status).toBe(401)
    expect(['invalid_dpop_proof', 'dpop_key_mismatch']).toContain(code!)
  }
})

test('a gateway without DPoP takes no token of that scheme', async () => {
  const handler = create(provider, { auth_methods: ['bearer'] })
  expect((await send(handler, [dpop(token)])).code).toBe('no_credentials')
})
