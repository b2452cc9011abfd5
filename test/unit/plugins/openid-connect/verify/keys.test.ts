import { describe, expect, test } from 'bun:test'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import {
  createKeySet,
  parseJws,
  type PublicJwk,
  verifySignature,
} from '../../../../../src/plugins/openid-connect/verify.ts'
import { hasRocaFingerprint } from '../../../../../src/plugins/openid-connect/verify/roca.ts'
import { type SigningKey, signingKey } from '../provider.ts'

const one = await signingKey('one', 'RS256')
const two = await signingKey('two', 'RS256')
const curve = await signingKey('curve', 'ES256')
const edwards = await signingKey('edwards', 'EdDSA')

/** The kid of the key that has verified a token, or the words of the refusal. */
async function signer(
  jwks: readonly PublicJwk[],
  by: SigningKey,
  header: Record<string, unknown> = {},
): Promise<unknown> {
  const named = JSON.parse(JSON.stringify({ alg: by.alg, kid: by.kid, ...header })) as {
    alg: string
  }
  const token = await new SignJWT({ sub: 'x' }).setProtectedHeader(named).sign(by.privateKey)
  try {
    const key = verifySignature(parseJws(token), createKeySet(jwks), undefined)
    return key?.kid ?? 'a key without kid'
  } catch (error) {
    return (error as Error).message
  }
}

const NO_KEY = 'the provider has no key that fits the token'
const WRONG = 'the signature does not fit the token'
const without = (key: SigningKey, ...names: string[]): PublicJwk =>
  Object.fromEntries(Object.entries(key.jwk).filter(([name]) => !names.includes(name)))

describe('a key is found', () => {
  test('by its kid', async () => {
    expect(await signer([two.jwk, one.jwk], one)).toBe('one')
  })

  test('by its kid among those of one kid, by the algorithm', async () => {
    const same = { ...curve.jwk, kid: 'one' }
    expect(await signer([same, one.jwk], one)).toBe('one')
    expect(await signer([one.jwk, same], curve, { kid: 'one' })).toBe('one')
    const forAnother = { ...one.jwk, alg: 'RS512' }
    expect(await signer([forAnother, one.jwk], one)).toBe('one')
  })

  test('by its kid among those of one kid and algorithm, by trying', async () => {
    expect(await signer([{ ...two.jwk, kid: 'one' }, one.jwk], one)).toBe('one')
  })

  test('by the thumbprint of its certificate, which it names or holds', async () => {
    const der = Buffer.from('a certificate')
    const x5t = createHash('sha1').update(der).digest('base64url')
    const x5tS256 = createHash('sha256').update(der).digest('base64url')
    const named = { ...one.jwk, x5t }
    const named256 = { ...one.jwk, 'x5t#S256': x5tS256 }
    const holding = { ...one.jwk, x5c: [der.toString('base64')] }
    for (const key of [named, holding])
      expect(await signer([two.jwk, key], one, { kid: undefined, x5t })).toBe('one')
    for (const key of [named256, holding])
      expect(await signer([two.jwk, key], one, { kid: 'x', 'x5t#S256': x5tS256 })).toBe('one')
    // The thumbprint is that of another key: no other is tried.
    expect(await signer([{ ...two.jwk, x5t }, one.jwk], one, { kid: undefined, x5t })).toBe(WRONG)
  })

  test('by the algorithm, if the token names none or one that is unknown', async () => {
    for (const kid of [undefined, 'unknown'])
      expect(await signer([curve.jwk, two.jwk, one.jwk], one, { kid })).toBe('one')
  })

  test('though it has neither kid nor alg nor use', async () => {
    const bare = without(one, 'kid', 'alg', 'use')
    expect(await signer([bare], one)).toBe('a key without kid')
  })

  test('for EdDSA by either of its names', async () => {
    expect(await signer([edwards.jwk], edwards)).toBe('edwards')
    expect(await signer([{ ...edwards.jwk, alg: 'Ed25519' }], edwards)).toBe('edwards')
    expect(await signer([edwards.jwk], edwards, { alg: 'Ed25519' })).toBe('edwards')
  })

  test('by trying sixteen, and no more', async () => {
    const others = Array.from({ length: 16 }, (_, i) => ({ ...two.jwk, kid: `k${i}` }))
    expect(await signer([...others.slice(1), one.jwk], one, { kid: undefined })).toBe('one')
    expect(await signer([...others, one.jwk], one, { kid: undefined })).toBe(WRONG)
    expect(await signer([...others, one.jwk], one)).toBe('one')
  })

  test('among a hundred, and no more', async () => {
    const others = Array.from({ length: 100 }, (_, i) => ({ ...curve.jwk, kid: `k${i}` }))
    expect(await signer([...others, one.jwk], one)).toBe(NO_KEY)
  })
})

describe('a key does not verify', () => {
  // prettier-ignore
  test.each([
    ['for encryption',             { use: 'enc' },                'it is for another use than signatures'],
    ['to encrypt',                 { key_ops: ['encrypt'] },      'it is for other operations than the verification of signatures'],
    ['whose operations are none',  { key_ops: 'verify' },         'it is for other operations than the verification of signatures'],
    ['of another type',            { kty: 'oct', k: 'c2VjcmV0' }, 'it is no public key'],
    ['that is half a key',         { n: undefined },              'it is no valid key'],
    ['with the exponent 1',        { e: 'AQ' },                   '1 is no exponent'],
  ])('%s', async (_, over, why) => {
    const jwk = JSON.parse(JSON.stringify({ ...one.jwk, ...over })) as PublicJwk
    expect(await signer([jwk], one)).toBe(`${NO_KEY}; that of its kid cannot be used: ${why}`)
  })

  test('of 1024 bits (RFC 7518 §3.3)', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = { ...(publicKey.export({ format: 'jwk' }) as PublicJwk), kid: 'one' }
    expect(await signer([jwk], one)).toEndWith('1024 bits are too few')
  })

  test('whose signatures take longer than a request may cost', async () => {
    const n = Buffer.alloc(2049, 0xff).toString('base64url')
    expect(await signer([{ ...one.jwk, n }], one)).toEndWith('16392 bits are too many')
  })

  test('of a curve that the runtime does not know, which is said', async () => {
    for (const crv of ['Ed448', 'secp256k1', undefined]) {
      const jwk = JSON.parse(JSON.stringify({ ...edwards.jwk, crv })) as PublicJwk
      expect(await signer([jwk], edwards)).toEndWith(`the curve ${crv} is not supported`)
    }
  })

  test('whose point is not on its curve', async () => {
    expect(await signer([{ ...curve.jwk, x: curve.jwk.y }], curve)).toEndWith('it is no valid key')
  })

  test('tokens of another algorithm than its own (RFC 8725 §3.1)', async () => {
    expect(await signer([{ ...one.jwk, alg: 'PS256' }], one)).toBe(NO_KEY)
    expect(await signer([{ ...one.jwk, alg: 'RSA-OAEP' }], one)).toBe(NO_KEY)
    expect(await signer([one.jwk], curve, { kid: 'one' })).toBe(NO_KEY)
    const p384 = await signingKey('p384', 'ES384')
    expect(await signer([{ ...p384.jwk, alg: undefined, kid: 'curve' }], curve)).toBe(NO_KEY)
  })

  test('with something that is no key', async () => {
    expect(await signer([null, 1, 'x', [], {}, one.jwk] as never, one)).toBe('one')
  })
})

test('what is told of a key is its public part', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...(privateKey.export({ format: 'jwk' }) as PublicJwk), kid: 'a', x5u: 'http://x' }
  const [key] = createKeySet([jwk]).keys
  expect(Object.keys(key!.jwk).sort()).toEqual(['e', 'kid', 'kty', 'n'])
})

test('a modulus of the faulty generator is known by its fingerprint (CVE-2017-15361)', () => {
  // A power of 65537 is one modulo every prime, as the moduli of the generator are.
  const whole = 65_537n ** 120n
  const bytes = (n: bigint) => Buffer.from(n.toString(16).padStart(512, '0'), 'hex')
  expect(hasRocaFingerprint(bytes(whole))).toBe(true)
  expect(hasRocaFingerprint(bytes(whole + 2n))).toBe(false)
})
