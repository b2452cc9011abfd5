import { expect, test } from 'bun:test'
import { createPublicKey, createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'
import { isSigned } from '../../../../src/plugins/signature.ts'
import { fromBase64url } from '../../../../src/plugins/jwt/token.ts'

const FILE = join(
  import.meta.dir,
  '../../../../../shared/data/wycheproof/json_web_signature_test.json',
)

interface Group {
  readonly comment: string
  readonly private: JWK
  readonly public?: JWK
  readonly tests: readonly { tcId: number; comment: string; jws: string; result: string }[]
}

const OURS = /^(?:[HRP]S(?:256|384|512)|ES(?:256|384|512)|EdDSA)$/

/** Two canonical tokens with their MAC that are called invalid, and two with a question mark in them that are called valid. */
const MISTAKEN: ReadonlySet<number> = new Set([367, 370, 372, 373])

const isThere = existsSync(FILE)
const name = 'signatures are judged as the vectors of Wycheproof have it'
test.skipIf(!isThere)(isThere ? name : `${name} (skipped: ../shared is not there)`, () => {
  const { testGroups } = JSON.parse(readFileSync(FILE, 'utf8')) as { testGroups: Group[] }
  const wrong: string[] = []
  let count = 0
  for (const { comment: group, private: secret, public: jwk = secret, tests } of testGroups) {
    const algorithm = jwk.alg ?? ''
    if (!OURS.test(algorithm)) continue
    const key =
      jwk.kty === 'oct'
        ? createSecretKey(Buffer.from(String(jwk.k), 'base64url'))
        : createPublicKey({ key: jwk as never, format: 'jwk' })
    for (const { tcId, comment, jws, result } of tests) {
      if (MISTAKEN.has(tcId)) continue
      const [head = '', payload = '', mac, ...rest] = String(jws).split('.')
      // Their keys name another algorithm than their tokens, and the key's own is the only one that counts.
      if (comment === 'Figure20') continue
      const signature = rest.length === 0 ? fromBase64url(mac ?? '') : undefined
      const passes =
        alg(head) === algorithm &&
        fromBase64url(payload) !== undefined &&
        signature !== undefined &&
        isSigned(algorithm, key, `${head}.${payload}`, signature)
      count++
      if (passes !== (result === 'valid')) wrong.push(`${tcId} ${group}: ${comment}`)
    }
  }
  expect(count).toBeGreaterThan(100)
  expect(wrong).toEqual([])
})

function alg(head: string): unknown {
  try {
    return JSON.parse(String(fromBase64url(head))).alg
  } catch {
    return undefined
  }
}
