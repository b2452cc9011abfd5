import type { Config } from '../../../schema/field.ts'
import { hashOfAll } from '../hash.ts'
import type { fields as verification } from '../verify.ts'
import { isSameIssuer } from '../verify/judgement.ts'
import type { Part, SessionData } from './data.ts'

export type TrustSettings = Partial<
  Config<
    Pick<
      typeof verification,
      | 'enable_hs_signatures'
      | 'ignore_signature'
      | 'issuers_allowed'
      | 'verify_claims'
      | 'verify_signature'
    >
  >
>

/**
 * How well the tokens of a session were looked at, since a plugin that looks closer may have the same cookie: what was
 * let through there must not pass here.
 */
export interface Trust {
  /** What to note of a session that begins here, or of `before` with new tokens. */
  markOf(data: SessionData, before?: Part): Pick<Part, 'unchecked' | 'issuers'>
  /** Whether what was verified elsewhere, or before a reload, would have been let in here too. */
  takes(part: Part): boolean
}

/** Prepares the judgement of a configuration; `issuer` is its own. */
export function createTrust(config: TrustSettings, issuer: string): Trust {
  const { issuers_allowed, verify_signature, verify_claims, enable_hs_signatures } = config
  const ignored: readonly string[] = config.ignore_signature ?? []
  const isUnsigned = (method: string) => verify_signature === false || ignored.includes(method)
  const issuers = issuers_allowed && hashOfAll(...[...issuers_allowed].sort())

  function uncheckedIn({ method }: SessionData): string[] {
    return [
      ...(isUnsigned(method) ? ['signature'] : []),
      ...(verify_claims === false ? ['claims'] : []),
      ...(enable_hs_signatures ? ['algorithm'] : []),
    ]
  }

  /** Tokens that were refreshed are those of another grant. */
  const uncheckedLater = isUnsigned('refresh_token') ? ['refreshed signature'] : []

  return {
    markOf(data, before) {
      const later = before ? [...(before.unchecked ?? []), ...uncheckedLater] : []
      const unchecked = [...new Set([...uncheckedIn(data), ...later])]
      return { unchecked: unchecked.length > 0 ? unchecked : undefined, issuers }
    },
    takes({ data, unchecked, issuers: theirs }) {
      const ours = [...uncheckedIn(data), ...uncheckedLater]
      if (unchecked?.some((each) => !ours.includes(each))) return false
      // Among the same issuers what has come in may stay, whatever an answer of the provider calls its issuer.
      if (theirs === issuers) return true
      const iss = data.iss ?? issuer
      return (issuers_allowed ?? [issuer]).some((each) => isSameIssuer(each, iss))
    },
  }
}
