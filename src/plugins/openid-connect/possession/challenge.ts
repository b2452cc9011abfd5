import type { Config } from '../../../schema/field.ts'
import type { Code, Refusal } from '../refusal.ts'
import { ALGORITHMS } from './algorithms.ts'
import type { fields } from './fields.ts'

/** The fields of an answer that say how to authenticate, for a 401; `error` is what RFC 6750 would have it say. */
export type CreateChallenge = (
  refusal: Pick<Refusal, 'code' | 'shown'>,
  error: string | undefined,
) => readonly (readonly [string, string])[]

/** The errors of RFC 9449 §7.1 and §9; all else is a token that is no good. */
const ERRORS: Partial<Record<Code, string>> = {
  invalid_dpop_proof: 'invalid_dpop_proof',
  replayed_dpop_proof: 'invalid_dpop_proof',
  use_dpop_nonce: 'use_dpop_nonce',
}

/**
 * Challenges clients that can use DPoP (RFC 9449 §7.1), beside the one for bearer tokens where these may pass too (§7.2).
 * Nothing where DPoP is off.
 */
export function createChallenge(
  config: Pick<Config<typeof fields>, 'proof_of_possession_dpop'> & {
    readonly display_errors: boolean
    readonly expose_error_code: boolean
  },
  realm: string,
): CreateChallenge | undefined {
  if (config.proof_of_possession_dpop === 'off') return undefined
  const { display_errors, expose_error_code } = config
  const algs = `algs="${[...ALGORITHMS.keys()].join(' ')}"`
  return (refusal, error) => {
    const own = ERRORS[refusal.code]
    const told = own ?? error
    // No client would know what to do with a nonce without its error.
    const isTold = told !== undefined && (expose_error_code || told === 'use_dpop_nonce')
    const description = `error_description="${refusal.shown.replace(/[^\x20-\x7e]|["\\]/g, "'")}"`
    const params = [
      `realm="${realm}"`,
      ...(isTold ? [`error="${told}"`] : []),
      ...(isTold && display_errors ? [description] : []),
      algs,
    ]
    const dpop = ['WWW-Authenticate', `DPoP ${params.join(', ')}`] as const
    if (config.proof_of_possession_dpop === 'strict') return [dpop]
    // What is wrong with a proof is said in the words of DPoP alone.
    const code = own === undefined && isTold ? `, error="${told}"` : ''
    return [['WWW-Authenticate', `Bearer realm="${realm}"${code}`], dpop]
  }
}
