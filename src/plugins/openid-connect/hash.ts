/**
 * The SHA-256 of a list of texts, as a key of a cache. Each part is preceded by its length, so that no two lists
 * have one text; and no secret can be read back from what a cache holds.
 */
export function hashOf(...parts: readonly string[]): string {
  return Bun.CryptoHasher.hash(
    'sha256',
    parts.map((part) => `${part.length}:${part}`).join(''),
    'base64',
  )
}
