import type { Claims } from './claims.ts'
import type { Occasion } from './occasion.ts'
import type { Proof } from './proof.ts'
import type { SessionData } from './session/data.ts'

/** What a session keeps of a proof; `before` is what it kept so far. Nothing where the proof has kept nothing itself. */
export function sessionDataOf(
  proof: Proof,
  { client }: Occasion,
  tellsKeys: boolean,
  before?: SessionData,
): SessionData | undefined {
  const { identity, expires, origin } = proof
  if (!identity) return undefined
  const { access_token, id_token, refresh_token, introspection, user_info, claims } = identity
  const { introspection_jwt, user_info_jwt, access_token_jwk, id_token_jwk } = identity
  const iss = firstText(claims, 'iss')
  const sid = firstText(claims, 'sid')
  return {
    method: before?.method ?? origin,
    client: client?.index ?? 0,
    ...(access_token !== undefined && { access_token }),
    ...(id_token !== undefined && { id_token }),
    ...(refresh_token !== undefined && { refresh_token }),
    ...(expires !== undefined && { expires }),
    ...(iss !== undefined && { iss }),
    ...(sid !== undefined && { sid }),
    ...(introspection && { introspection }),
    ...(introspection_jwt !== undefined && { introspection_jwt }),
    ...(user_info && { user_info }),
    // Only where they are told: a session is in a cookie, mostly.
    ...(access_token_jwk && tellsKeys && { access_token_jwk }),
    ...(id_token_jwk && tellsKeys && { id_token_jwk }),
    ...(user_info_jwt !== undefined && { user_info_jwt }),
  }
}

/** Whose session it is: the user as the provider calls it. */
export function subjectOf({ identity }: Proof): string | undefined {
  return identity && firstText(identity.claims, 'sub')
}

function firstText(claims: readonly Claims[], name: string): string | undefined {
  const found = claims.map((each) => each[name]).find((value) => value !== undefined)
  return typeof found === 'string' ? found : undefined
}
