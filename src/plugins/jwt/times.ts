import type { Config } from './schema.ts'
import { member, type Token } from './token.ts'

/** Why the times of a token are not good, by the claims' names in Kong's words. */
export type TimeFaults = Readonly<Record<string, string>>

/** Judges the times of a token; `now` in whole seconds since the epoch. */
export function judgeTimes(
  { claims }: Pick<Token, 'claims'>,
  {
    claims_to_verify = [],
    maximum_expiration,
  }: Pick<Config, 'claims_to_verify' | 'maximum_expiration'>,
  now: number,
): TimeFaults | undefined {
  const faults: Record<string, string> = {}
  for (const name of claims_to_verify) {
    const time = member(claims, name)
    if (typeof time !== 'number') faults[name] = 'must be a number'
    else if (name === 'exp' && time <= now) faults[name] = 'token expired'
    else if (name === 'nbf' && time > now) faults[name] = 'token not valid yet'
  }
  if (Object.keys(faults).length > 0) return faults
  const exp = member(claims, 'exp')
  return maximum_expiration > 0 && !(Number(exp) - now <= maximum_expiration)
    ? { exp: 'exceeds maximum allowed expiration' }
    : undefined
}
