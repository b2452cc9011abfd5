/**
 * The SHA-256 of a text, as a key of a cache: no secret can be read back from what a cache holds. (Bun's own class
 * takes half the time of `CryptoHasher`, and this is done for every request.)
 */
export function hashOf(text: string): string {
  return Bun.SHA256.hash(text, 'base64')
}

/** The SHA-256 of a list of texts. Each part is preceded by its length, so that no two lists have one text. */
export function hashOfAll(...parts: readonly string[]): string {
  return hashOf(parts.map((part) => `${part.length}:${part}`).join(''))
}
