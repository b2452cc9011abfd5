import type { Claims } from './claims.ts'
import type { Occasion } from './occasion.ts'
import type { Proof } from './proof.ts'
import type { SessionData } from './session/data.ts'
import { timeOf } from './verify.ts'

/** What a session keeps of a proof; `before` is what it kept so far. Nothing where the proof has kept nothing itself. */
export function sessionDataOf(
  proof: Proof,
  { client }: Occasion,
  before?: SessionData,
): SessionData | undefined {
  const { identity, set, method } = proof
  if (!identity) return undefined
  const { access_token, id_token, refresh_token, introspection, user_info, claims } = identity
  const expires = set && set.ends > 0 ? set.ends : endOf(claims)
  const iss = firstText(claims, 'iss')
  const sid = firstText(claims, 'sid')
  return {
    method: before?.method ?? method,
    client: client?.index ?? 0,
    ...(access_token !== undefined && { access_token }),
    ...(id_token !== undefined && { id_token }),
    ...(refresh_token !== undefined && { refresh_token }),
    ...(expires !== undefined && { expires }),
    ...(iss !== undefined && { iss }),
    ...(sid !== undefined && { sid }),
    ...(introspection && { introspection }),
    ...(user_info && { user_info }),
  }
}

/** Whose session it is: the user as the provider calls it. */
export function subjectOf({ identity }: Proof): string | undefined {
  return identity && firstText(identity.claims, 'sub')
}

/** When the first of the tokens that say so is over; milliseconds since the epoch. */
function endOf(claims: readonly Claims[]): number | undefined {
  const exp = claims.map((each) => timeOf(each, 'exp')).find((time) => time !== undefined)
  return exp === undefined ? undefined : exp * 1000
}

function firstText(claims: readonly Claims[], name: string): string | undefined {
  const found = claims.map((each) => each[name]).find((value) => value !== undefined)
  return typeof found === 'string' ? found : undefined
}
