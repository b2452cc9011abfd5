import { number, array, type Config, string } from '../../../schema/field.ts'
import type { Claims } from '../claims.ts'
import { Refusal } from '../refusal.ts'
import { timeOf } from './judgement.ts'

export const fields = {
  domains: array(
    'The values that the claim `hd` may have: the domains of the organizations whose users may pass. A caller without the claim may not.',
    string('A domain.'),
  ),
  max_age: number(
    'How long ago the user may have logged in, by the claim `auth_time`; seconds. A caller without the claim may not pass.',
  ),
}

/** What users have to be and do beside having a token. */
export interface UserRules {
  /** Judges the claims of all that is known of a caller; `now` and the result in seconds. Gives until when it holds. Throws `Refusal`. */
  judge(claims: readonly Claims[], now: number): number
}

/** Prepares what `domains` and `max_age` ask for. */
export function createUserRules(
  config: Config<typeof fields> & { readonly leeway: number },
): UserRules {
  const { domains, max_age, leeway } = config

  function judgeDomain(claims: readonly Claims[]): void {
    if (domains === undefined) return
    const found = claims.map(({ hd }) => hd).filter((hd) => hd !== undefined && hd !== null)
    const isAllowed = (hd: unknown) => typeof hd === 'string' && domains.includes(hd)
    // Wherever it stands it has to be right: two tokens may be of two users.
    if (found.length > 0 && found.every(isAllowed)) return
    const sentence =
      found.length === 0 ? 'the hd claim is missing' : 'invalid hd claim was specified'
    throw new Refusal('invalid_domain', sentence)
  }

  function endOfLogin(claims: readonly Claims[], now: number): number {
    if (max_age === undefined) return Infinity
    const times = claims
      .map((each) => timeOf(each, 'auth_time'))
      .filter((time) => time !== undefined)
    if (times.length === 0) throw new Refusal('login_too_old', 'the auth_time claim is missing')
    const [first, last] = [Math.min(...times), Math.max(...times)]
    if (last - leeway > now + 1)
      throw new Refusal('login_too_old', `invalid auth_time claim (${last}) was specified`)
    const end = first + max_age + leeway
    if (end <= now)
      throw new Refusal('login_too_old', `invalid auth_time claim (${first}) was specified`)
    return end
  }

  return {
    judge(claims, now) {
      judgeDomain(claims)
      return endOfLogin(claims, now)
    },
  }
}
