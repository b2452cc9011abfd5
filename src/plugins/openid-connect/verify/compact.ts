import { timingSafeEqual } from 'node:crypto'
import { isRecord } from '../../../schema/check.ts'

/**
 * Whether a part of a compact token is written in the one canonical way: padding or stray bits would give one token many
 * texts, and each a place in the caches.
 */
export function isCanonical(part: string): boolean {
  if (!/^[\w-]*$/.test(part) || part.length % 4 === 1) return false
  const rest = part.length % 4
  if (rest === 0) return true
  // The bits that the last character has to spare are zero in the canonical text.
  const spare = rest === 2 ? 0b1111 : 0b11
  return (BASE64URL.indexOf(part.at(-1)!) & spare) === 0
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The JSON object that a part of a compact token is, in UTF-8. */
export function parseObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const bytes = Buffer.from(part, 'base64url')
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (isRecord(value)) return value
  } catch {}
  return undefined
}

/** Whether a claim is a text; how long it takes does not tell how much of it is right. */
export function isSameText(claim: unknown, expected: string): boolean {
  if (typeof claim !== 'string') return false
  const [one, other] = [Buffer.from(claim), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
