import { expect, test } from 'bun:test'
import { indexConsumers } from '../../../../src/consumers.ts'
import type { Exit } from '../../../../src/pdk.ts'
import { jwt } from '../../../../src/plugins/jwt/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { headerOf, messageOf, send, type Sent, testGateway } from '../context.ts'
import { createSigner, encode, sign, type Signer } from './tokens.ts'

const NOW = 1_700_000_000
const ALGORITHMS = [
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
]
const signers = new Map<string, Signer>()
for (const algorithm of ALGORITHMS) signers.set(algorithm, await createSigner(algorithm))
const hs = signers.get('HS256')!
const rs = signers.get('RS256')!

const bob = { id: 'b0b', username: 'bob' }
const secretOf = (key: string, parts: Partial<Signer>) => ({
  id: `id-of-${key}`,
  consumer: bob,
  key,
  algorithm: 'HS256',
  ...parts,
})
const consumers = indexConsumers({
  acls: [],
  consumer_groups: [],
  consumer_group_consumers: [],
  basicauth_credentials: [],
  keyauth_credentials: [],
  mtls_auth_credentials: [],
  oauth2_credentials: [],
  oauth2_tokens: [],
  consumers: [bob, { id: 'n', username: 'nobody' }] as never,
  jwt_secrets: [
    ...ALGORITHMS.map((algorithm) => {
      const { secret, rsa_public_key } = signers.get(algorithm)!
      return secretOf(algorithm, { algorithm, secret, rsa_public_key })
    }),
    secretOf('base64', { secret: Buffer.from(hs.secret).toString('base64') }),
    secretOf('base64url', { secret: Buffer.from(hs.secret).toString('base64url') }),
    secretOf('no base64', { secret: 'no*base64' }),
    secretOf('wrong key', { algorithm: 'ES256', secret: 'x', rsa_public_key: rs.rsa_public_key }),
    secretOf('wrong curve', {
      algorithm: 'ES384',
      secret: 'x',
      rsa_public_key: signers.get('ES256')!.rsa_public_key,
    }),
    secretOf('', { secret: hs.secret }),
  ] as never,
})

function create(config: Record<string, unknown> = {}) {
  const checked = check(jwt.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  return jwt.create(checked.value, testGateway({ consumers, now: () => NOW * 1000 + 999 }))
}

const ask = (config: Record<string, unknown>, sent: Sent) => send(create(config), sent)
const bearer = (token: string) => ({ headers: [['Authorization', `Bearer ${token}`]] as const })

test.each(ALGORITHMS)(
  '%s: a token of its own key passes, one that was changed does not',
  async (algorithm) => {
    const token = await signers.get(algorithm)!.sign({ iss: algorithm })
    const { ctx, exit } = await ask({}, bearer(token))
    expect(exit).toBeUndefined()
    expect([ctx.consumer, ctx.credential?.identifier]).toEqual([bob as never, algorithm])
    const [header, , mac] = token.split('.')
    const others = [
      `${header}.${encode({ iss: algorithm, sub: 'admin' })}.${mac}`,
      `${token.slice(0, -12)}${token.at(-12) === 'A' ? 'B' : 'A'}${token.slice(-11)}`,
      token.slice(0, token.lastIndexOf('.') + 1),
      token.slice(0, -8),
      `${token}AAAA`,
    ]
    for (const other of others) {
      const refused = await ask({}, bearer(other))
      expect(refused.exit?.status).toBe(401)
      // A text that was cut may not even be Base64.
      expect(messageOf(refused.exit)).toMatch(/^(Bad token; i|I)nvalid signature$/)
      expect(refused.ctx.credential).toBeUndefined()
    }
  },
)

test('the algorithm is the key’s, whatever the token says', async () => {
  // The classic attack: the public key, which everybody knows, taken for a secret.
  for (const algorithm of ALGORITHMS.filter((each) => !each.startsWith('HS'))) {
    const { rsa_public_key } = signers.get(algorithm)!
    const token = await sign('HS256', rsa_public_key, { iss: algorithm })
    const { exit } = await ask({}, bearer(token))
    expect(messageOf(exit)).toBe('Invalid algorithm')
  }
  const { exit } = await ask({}, bearer(await signers.get('HS512')!.sign({ iss: 'HS256' })))
  expect(messageOf(exit)).toBe('Invalid algorithm')
})

const good = await hs.sign({ iss: 'HS256' })
const other = await hs.sign({ iss: 'HS256', n: 1 })

// prettier-ignore
test.each<[string, Record<string, unknown>, Sent]>([
  ['the query',                    {},                                { query: `a=1&jwt=${good}` }],
  ['the query, twice the same',    {},                                { query: `jwt=${good}&jwt=${good}` }],
  ['another argument',             { uri_param_names: ['a', 'b'] },   { query: `b=${good}` }],
  ['a cookie',                     { cookie_names: ['c', 'd'] },      { headers: [['Cookie', `x=1; d=${good}; y`]] }],
  ['another header',               { header_names: ['X_Token'] },     { headers: [['x-token', `bearer ${good}`]] }],
  ['two places, the same',         {},                                { query: `jwt=${good}`, headers: [['Authorization', `Bearer ${good}`]] }],
])('a token in %s is found', async (_, config, sent) => {
  expect((await ask(config, sent)).exit).toBeUndefined()
})

// prettier-ignore
test.each<[string, Record<string, unknown>, Sent]>([
  ['no token',                     {},                                {}],
  ['an empty one',                 { cookie_names: ['c'] },           { query: 'jwt=', headers: [['Cookie', 'c=']] }],
  ['another scheme',               {},                                { headers: [['Authorization', `Basic ${good}`]] }],
  ['no scheme',                    {},                                { headers: [['Authorization', good]] }],
  ['a cookie not read',            {},                                { headers: [['Cookie', `jwt=${good}`]] }],
  ['a query not read',             { uri_param_names: [] },           { query: `jwt=${good}` }],
])('%s is answered 401 without an error', async (_, config, sent) => {
  const { exit } = await ask(config, sent)
  expect([exit?.status, messageOf(exit)]).toEqual([401, 'Unauthorized'])
  expect(headerOf(exit, 'www-authenticate')).toBe('Bearer')
})

// prettier-ignore
test.each<[string, Sent]>([
  ['in the query',                 { query: `jwt=${good}&jwt=${other}` }],
  ['one without a value',          { query: `jwt&jwt=${good}` }],
  ['in two places',                { query: `jwt=${good}`, headers: [['Authorization', `Bearer ${other}`]] }],
  ['in one header twice',          { headers: [['Authorization', `Bearer ${good}`], ['authorization', `Bearer ${other}`]] }],
  ['in cookies',                   { headers: [['Cookie', `jwt=${good}`], ['Cookie', `jwt=${other}`]] }],
])('two tokens %s are refused', async (_, sent) => {
  const { exit } = await ask({ cookie_names: ['jwt'] }, sent)
  expect(messageOf(exit)).toBe('Multiple tokens provided')
})

test('an argument without a value is no token, and refused as one', async () => {
  const { exit } = await ask({}, { query: 'jwt' })
  expect(messageOf(exit)).toBe('Unrecognizable token')
  expect(headerOf(exit, 'www-authenticate')).toBe('Bearer error="invalid_token"')
})

const part = (text: string) => Buffer.from(text).toString('base64url')
const head = encode({ alg: 'HS256' })

// prettier-ignore
test.each<[string, string, string]>([
  ['no JWT',                       'x',                                            'Bad token; invalid JSON'],
  ['two parts',                    good.slice(0, good.lastIndexOf('.')),           'Bad token; invalid JSON'],
  ['four parts',                   `${good}.x`,                                    'Bad token; invalid signature'],
  ['a list as claims',             `${head}.${encode([])}.x`,                      'Bad token; invalid JSON'],
  ['null as claims',               `${head}.${encode(null)}.x`,                    'Bad token; invalid JSON'],
  ['a text as header',             `${encode('x')}.${encode({})}.x`,               'Bad token; invalid JSON'],
  ['what is no UTF-8',             `${head}.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.x`, 'Bad token; invalid JSON'],
  ['plain Base64',                 `${head}.${part('{"a":"~~~???"}')}+/.x`,        'Bad token; invalid JSON'],
  ['no algorithm',                 `${encode({})}.${encode({})}.x`,                'Bad token; invalid alg'],
  ['none as algorithm',            `${encode({ alg: 'none' })}.${encode({ iss: 'HS256' })}.`, 'Bad token; invalid alg'],
  ['an algorithm that is no text', `${encode({ alg: ['HS256'] })}.${encode({})}.x`, 'Bad token; invalid alg'],
  ['an algorithm of objects',      `${encode({ alg: 'constructor' })}.${encode({})}.x`, 'Bad token; invalid alg'],
  ['an extension',                 `${encode({ alg: 'HS256', crit: ['b64'], b64: false })}.${encode({})}.x`, 'Bad token; invalid crit'],
  ['a broken signature',           `${head}.${encode({})}.*`,                      'Bad token; invalid signature'],
  ['no issuer',                    await hs.sign({}),                              "No mandatory 'iss' in claims"],
  ['an issuer of null',            await hs.sign({ iss: null as never }),          "No mandatory 'iss' in claims"],
  ['an empty issuer',              await hs.sign({ iss: '' }),                     "Invalid 'iss' in claims"],
  ['a number as issuer',           `${head}.${encode({ iss: 1 })}.AA`,             "Invalid 'iss' in claims"],
  ['an unknown issuer',            await hs.sign({ iss: 'x' }),                    "No credentials found for given 'iss'"],
  ['an issuer of all objects',     await hs.sign({ iss: '__proto__' }),            "No credentials found for given 'iss'"],
  ['a key of another kind',        await signers.get('ES256')!.sign({ iss: 'wrong key' }), 'Invalid key/secret'],
  ['a key of another curve',       await signers.get('ES384')!.sign({ iss: 'wrong curve' }), 'Invalid key/secret'],
])('%s is refused', async (_, token, message) => {
  const { exit } = await ask({ realm: 'mine' }, bearer(token))
  expect([exit?.status, messageOf(exit)]).toEqual([401, message])
  expect(headerOf(exit, 'www-authenticate')).toBe('Bearer realm="mine", error="invalid_token"')
})

test('the key may stand in the header of the token, or in another claim', async () => {
  expect((await ask({}, bearer(await hs.sign({}, { iss: 'HS256' })))).exit).toBeUndefined()
  const kid = await hs.sign({ iss: 'x' }, { kid: 'HS256' })
  expect((await ask({ key_claim_name: 'kid' }, bearer(kid))).exit).toBeUndefined()
  expect(messageOf((await ask({ key_claim_name: 'azp' }, bearer(kid))).exit)).toBe(
    "No mandatory 'azp' in claims",
  )
})

test('secrets may be written in Base64, of either alphabet', async () => {
  const config = { secret_is_base64: true }
  for (const iss of ['base64', 'base64url'])
    expect((await ask(config, bearer(await hs.sign({ iss })))).exit).toBeUndefined()
  const none = await sign('HS256', 'no*base64', { iss: 'no base64' })
  expect(messageOf((await ask(config, bearer(none))).exit)).toBe('Invalid key/secret')
  expect((await ask({}, bearer(none))).exit).toBeUndefined()
  // Public keys are PEM either way.
  expect((await ask(config, bearer(await rs.sign({ iss: 'RS256' })))).exit).toBeUndefined()
})

const bodyOf = (exit: Exit | undefined) => exit && JSON.parse(String(exit.body))

// prettier-ignore
test.each<[Record<string, unknown>, Record<string, unknown>, unknown]>([
  [{},                                                    { exp: 1 },                      undefined],
  [{ claims_to_verify: ['exp'] },                         { exp: NOW + 1 },                undefined],
  [{ claims_to_verify: ['exp'] },                         { exp: NOW },                    { exp: 'token expired' }],
  [{ claims_to_verify: ['exp'] },                         { exp: `${NOW + 9}` },           { exp: 'must be a number' }],
  [{ claims_to_verify: ['exp'] },                         {},                              { exp: 'must be a number' }],
  [{ claims_to_verify: ['nbf'] },                         { nbf: NOW },                    undefined],
  [{ claims_to_verify: ['nbf'] },                         { nbf: NOW + 1 },                { nbf: 'token not valid yet' }],
  [{ claims_to_verify: ['exp', 'nbf'] },                  { exp: 1 },                      { exp: 'token expired', nbf: 'must be a number' }],
  [{ claims_to_verify: ['exp'], maximum_expiration: 60 }, { exp: NOW + 60 },               undefined],
  [{ claims_to_verify: ['exp'], maximum_expiration: 60 }, { exp: NOW + 61 },               { exp: 'exceeds maximum allowed expiration' }],
  [{ claims_to_verify: ['exp'], maximum_expiration: 60 }, { exp: 1 },                      { exp: 'token expired' }],
])('with %j the times %j give %j', async (config, times, faults) => {
  const head = encode({ alg: 'HS256' })
  const input = `${head}.${encode({ iss: 'HS256', ...times })}`
  const mac = new Bun.CryptoHasher('sha256', hs.secret).update(input).digest('base64url')
  const { exit } = await ask(config, bearer(`${input}.${mac}`))
  expect(bodyOf(exit)).toEqual(faults)
  if (faults) expect(headerOf(exit, 'www-authenticate')).toBe('Bearer error="invalid_token"')
})

test('preflight requests need a token unless run_on_preflight is false', async () => {
  expect((await ask({}, { method: 'OPTIONS' })).exit?.status).toBe(401)
  expect((await ask({ run_on_preflight: false }, { method: 'OPTIONS' })).exit).toBeUndefined()
})

test('anonymous stands for callers without a valid token', async () => {
  const { ctx, exit } = await ask({ anonymous: 'nobody' }, bearer(`${good}x`))
  expect(exit).toBeUndefined()
  expect([ctx.consumer?.id, ctx.isAnonymous]).toEqual(['n', true])
})

test('the access log is told the names of the arguments that hold tokens', () => {
  expect(create({ uri_param_names: ['jwt', 'token'] }).secretArguments).toEqual(['jwt', 'token'])
})

const CONDITION = "failed conditional validation given value of field 'config.maximum_expiration'"

// prettier-ignore
test.each([
  [{ maximum_expiration: 60 },                                [['claims_to_verify', 'required field missing'], ['', CONDITION]]],
  [{ maximum_expiration: 60, claims_to_verify: ['nbf'] },     [['claims_to_verify', 'expected to contain: exp'], ['', CONDITION]]],
  [{ maximum_expiration: -1 },                                [['maximum_expiration', 'value should be between 0 and 31536000']]],
  [{ claims_to_verify: ['iat'] },                             [['claims_to_verify.0', 'expected one of: exp, nbf']]],
])('%j is refused at load', (config, faults) => {
  expect(check(jwt.schema, config).faults?.map(({ path, message }) => [path.join('.'), message])).toEqual(faults)
})
