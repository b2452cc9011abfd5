import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * What is kept of a consumer's password: the hash that Kong makes since 3.14, SHA-256 of the password and its owner's id,
 * in hexadecimal.
 */
export function hashPassword(password: string, consumerId: string): string {
  return digest('sha256', password, consumerId)
}

/**
 * Whether `password` is the one that `kept` was made from. A file with `_transform: false` may have Kong's older hash,
 * SHA-1. The time that it takes does not tell how much of it fits.
 */
export function isPassword(kept: string, password: string, consumerId: string): boolean {
  const algorithm = kept.length === SHA1_LENGTH ? 'sha1' : 'sha256'
  const given = Buffer.from(digest(algorithm, password, consumerId))
  const expected = Buffer.from(kept.toLowerCase())
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const SHA1_LENGTH = 40

function digest(algorithm: string, password: string, consumerId: string): string {
  return createHash(algorithm)
    .update(password + consumerId)
    .digest('hex')
}
