import { describe, expect, test } from 'bun:test'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { compactVerify, createLocalJWKSet, errors, type JWK } from 'jose'
import { signJwt, type SigningAlg } from '../../../../../src/plugins/openid-connect/assertion.ts'
import {
  createKeySet,
  parseJws,
  verifySignature,
} from '../../../../../src/plugins/openid-connect/verify.ts'
import { send } from '../../context.ts'
import { bearer, create } from '../plugin.ts'
import { ScriptedProvider, signingKey } from '../provider.ts'
import { vectorsOf } from './vectors.ts'

/** Whether a token is signed, by our own way and by the library's; a fault in the text counts as no. */
async function verdicts(
  token: string,
  jwks: readonly JWK[],
): Promise<[ours: boolean, theirs: boolean]> {
  const alg = algOf(token)
  return [isOurs(token, alg, jwks), await isTheirs(token, jwks)]
}

function isOurs(token: string, alg: string, jwks: readonly unknown[]): boolean {
  try {
    return verifySignature({ token, alg }, createKeySet(jwks), undefined) !== undefined
  } catch {
    return false
  }
}

async function isTheirs(token: string, jwks: readonly JWK[]): Promise<boolean> {
  const algorithms = [...ALGORITHMS]
  try {
    await compactVerify(token, createLocalJWKSet({ keys: [...jwks] }), { algorithms })
    return true
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return false
    for await (const key of error) {
      const isIt = await compactVerify(token, key, { algorithms }).then(
        () => true,
        () => false,
      )
      if (isIt) return true
    }
    return false
  }
}

function algOf(token: string): string {
  try {
    return String(JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).alg)
  } catch {
    return ''
  }
}

// prettier-ignore
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const satisfies readonly SigningAlg[]

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PAIRS: Readonly<Record<string, { publicKey: KeyObject; privateKey: KeyObject }>> = {
  RS: rsa,
  PS: rsa,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
}

/** The orders of the curves, in hexadecimal digits: a signature of zeros or of them is none. */
const ORDERS: Readonly<Record<string, string>> = {
  ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  ES384:
    'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ES512:
    '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
}

/** What an attacker makes of a token, by name. */
function mutations(token: string, alg: string): [string, string][] {
  const [head, payload, text] = token.split('.') as [string, string, string]
  const signature = Buffer.from(text, 'base64url')
  const signed = (bytes: Uint8Array) =>
    `${head}.${payload}.${Buffer.from(bytes).toString('base64url')}`
  const flipped = (bit: number) => {
    const bytes = Buffer.from(signature)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return signed(bytes)
  }
  const { length } = signature
  const half = length / 2
  const bits = [0, 1, 7, half * 8 - 1, half * 8, half * 8 + 7, length * 8 - 1]
  const order = Buffer.from(ORDERS[alg] ?? '', 'hex')
  const zeros = Buffer.alloc(half)
  const otherHeads = [
    ...ALGORITHMS,
    'none',
    'HS256',
    'ES256K',
    'constructor',
    '__proto__',
    'rs256',
  ].map((other): [string, string] => {
    const header = Buffer.from(JSON.stringify({ alg: other })).toString('base64url')
    return [`alg ${other}`, `${header}.${payload}.${text}`]
  })
  return [
    ...bits.map((bit): [string, string] => [`bit ${bit}`, flipped(bit)]),
    ['empty', signed(Buffer.alloc(0))],
    ['one byte less', signed(signature.subarray(1))],
    ['one byte less at the end', signed(signature.subarray(0, -1))],
    ['a zero before', signed(Buffer.concat([Buffer.alloc(1), signature]))],
    ['a zero behind', signed(Buffer.concat([signature, Buffer.alloc(1)]))],
    ['zeros', signed(Buffer.alloc(length))],
    ['ones', signed(Buffer.alloc(length, 0xff))],
    [
      'r and s swapped',
      signed(Buffer.concat([signature.subarray(half), signature.subarray(0, half)])),
    ],
    ['r = 0', signed(Buffer.concat([zeros, signature.subarray(half)]))],
    ['s = 0', signed(Buffer.concat([signature.subarray(0, half), zeros]))],
    ['r = s = order', signed(Buffer.concat([order, order]))],
    ['as DER', signed(der(signature))],
    ['without payload', `${head}..${text}`],
    ['with another payload', `${head}.e30.${text}`],
    ['with a blank in the payload', `${head}.${payload.slice(0, 4)} ${payload.slice(4)}.${text}`],
    ['as it was', token],
    ...otherHeads,
  ]
}

/** The form that ECDSA has elsewhere. */
function der(signature: Buffer): Buffer {
  const integer = (bytes: Buffer) => Buffer.concat([Buffer.from([2, bytes.length + 1, 0]), bytes])
  const half = signature.length / 2
  const body = Buffer.concat([
    integer(signature.subarray(0, half)),
    integer(signature.subarray(half)),
  ])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}

describe('every mutation of a token gets the verdict of jose', () => {
  test.each(ALGORITHMS.map((alg) => [alg]))('%s', async (alg) => {
    const { publicKey, privateKey } = PAIRS[alg] ?? PAIRS[alg.slice(0, 2)]!
    const jwk = publicKey.export({ format: 'jwk' }) as JWK
    const token = signJwt({ alg, kid: undefined, key: privateKey }, { sub: 'x' })
    for (const key of [jwk, { ...jwk, alg, use: 'sig' }]) {
      for (const [name, mutation] of mutations(token, alg)) {
        const [ours, theirs] = await verdicts(mutation, [key])
        expect([name, ours]).toEqual([name, theirs])
        expect([name, ours]).toEqual([name, mutation === token])
      }
    }
  })
})

test('a token is refused before its signature if its text is not canonical', () => {
  const token = signJwt({ alg: 'EdDSA', kid: 'a', key: PAIRS.EdDSA!.privateKey }, { sub: 'x' })
  const jwk = { ...PAIRS.EdDSA!.publicKey.export({ format: 'jwk' }), kid: 'a' }
  expect(verifySignature(parseJws(token), createKeySet([jwk]), undefined)?.kid).toBe('a')
  for (const other of [
    `${token}=`,
    `${token}==`,
    ` ${token}`,
    `${token}\n`,
    token.replace('.', '%2E'),
  ])
    expect(() => parseJws(other)).toThrow('the token is no JWT')
})

/** Tokens of another algorithm than their key is for, that are called valid; and a name for ES512 that is none. */
const isMistaken = (title: string, jwks: readonly JWK[]) =>
  title.endsWith('Figure20') || jwks.some(({ alg }) => alg === 'ES521')

const VECTORS = ['json_web_signature_test', 'json_web_crypto_test', 'json_web_key_test']

describe('the vectors of Wycheproof get the verdict of jose, and theirs', () => {
  for (const file of VECTORS) {
    const vectors = vectorsOf(file)
    test.skipIf(!vectors)(
      vectors ? file : `${file} (skipped: ../shared is not there)`,
      async () => {
        let valid = 0
        for (const { jws = '', jwks, result, title } of vectors ?? []) {
          // Secrets are judged with the client secret, faults of the text before the signature.
          const isJws = /^[\w-]+\.[\w-]*\.[\w-]+$/.test(jws)
          if (!isJws || jwks.some(({ kty }) => kty === 'oct') || isMistaken(title, jwks)) continue
          const [ours, theirs] = await verdicts(jws, jwks)
          expect([title, ours]).toEqual([title, result === 'valid'])
          // Weak keys are refused by us alone.
          expect([title, ours && !theirs]).toEqual([title, false])
          if (ours) valid++
        }
        expect(valid).toBeGreaterThan(0)
      },
    )
  }
})

describe('no vector of Wycheproof that is invalid passes as a bearer token', () => {
  for (const file of [...VECTORS, 'json_web_encryption_test']) {
    const vectors = vectorsOf(file)
    test.skipIf(!vectors)(
      vectors ? file : `${file} (skipped: ../shared is not there)`,
      async () => {
        const provider = new ScriptedProvider(await signingKey('one'))
        let count = 0
        for (const { jws, jwe, jwks, result, title } of vectors ?? []) {
          if (result === 'valid') continue
          provider.jwks = [...jwks]
          const config = {
            auth_methods: ['bearer'],
            verify_claims: false,
            enable_hs_signatures: true,
            client_id: ['kong'],
            client_secret: [jwks[0]?.k || 'secret'],
            client_jwk: jwks
              .slice(0, 1)
              .map(({ kty, k, n, e, d, p, q, dp, dq, qi, crv, x, y }) =>
                JSON.parse(
                  JSON.stringify({ kty, k: k || undefined, n, e, d, p, q, dp, dq, qi, crv, x, y }),
                ),
              ),
          }
          const token = jws ?? jwe ?? ''
          const { exit } = await send(create(provider, config), { headers: [bearer(token)] })
          expect([title, exit?.status]).toEqual([title, 401])
          count++
        }
        expect(count).toBeGreaterThan(5)
      },
    )
  }

  test('and a good token does', async () => {
    const provider = new ScriptedProvider(await signingKey('one'))
    const handler = create(provider, { auth_methods: ['bearer'] })
    const { exit } = await send(handler, { headers: [bearer(await provider.accessToken())] })
    expect(exit).toBeUndefined()
  })
})
