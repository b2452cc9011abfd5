import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'

/** One of Wycheproof's vectors. */
export interface Vector {
  readonly title: string
  readonly jws: string | undefined
  readonly jwe: string | undefined
  /** The keys that verify, or decrypt. */
  readonly jwks: readonly JWK[]
  readonly result: string
  /** What was encrypted, in hexadecimal digits. */
  readonly pt: string | undefined
}

interface Group {
  readonly comment: string
  readonly private: JWK & { readonly keys?: readonly JWK[] }
  readonly public?: JWK & { readonly keys?: readonly JWK[] }
  readonly tests: readonly (Omit<Vector, 'title' | 'jwks'> & {
    readonly tcId: number
    readonly comment: string
  })[]
}

/** The vectors of a file beside the repository, which a clone of it may lack. */
export function vectorsOf(name: string): Vector[] | undefined {
  const shared = '../../../../../../shared/data/wycheproof'
  const file = join(import.meta.dir, shared, `${name}.json`)
  if (!existsSync(file)) return undefined
  const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { testGroups: Group[] }
  return testGroups.flatMap(({ comment, private: secret, public: open, tests }) =>
    tests.map(({ tcId, comment: words, jws, jwe, result, pt }) => {
      const key = jwe === undefined ? (open ?? secret) : secret
      return {
        title: `${tcId} ${comment}: ${words}`,
        jws: jws === undefined ? undefined : typeof jws === 'string' ? jws : JSON.stringify(jws),
        jwe: jwe === undefined ? undefined : typeof jwe === 'string' ? jwe : JSON.stringify(jwe),
        jwks: key.keys ?? [key],
        result,
        pt,
      }
    }),
  )
}
