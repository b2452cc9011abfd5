import { createHash } from 'node:crypto'

/** By what the sessions of a subject, and of one session of the provider, are found. */
export function ownerNames(
  iss: string,
  sub: string | undefined,
  sid: string | undefined,
): string[] {
  const names: string[] = []
  if (sub !== undefined) names.push(`sub:${digest(JSON.stringify([issuerName(iss), sub]))}`)
  if (sid !== undefined) names.push(`sid:${digest(JSON.stringify([issuerName(iss), sid]))}`)
  return names
}

/** An issuer is the same with a slash at its end and without one. */
export function issuerName(iss: string): string {
  return iss.replace(/\/$/, '')
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
