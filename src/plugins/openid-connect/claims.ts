/** The payload of a token. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * Finds a claim by its path: each element names a member of an object, or counts from 1 in a list. Gives nothing
 * for what is absent or null.
 */
export function findClaim(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined
    const key: string = Array.isArray(value) ? String(Number(name) - 1) : name
    if (!Object.hasOwn(value, key)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return value ?? undefined
}

/** The words of a claim: of a text those between spaces, of a list its elements. */
export function wordsOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((word) => word !== '')
  if (Array.isArray(claim)) return claim.filter(isPlain).map(String)
  return isPlain(claim) ? [String(claim)] : []
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
