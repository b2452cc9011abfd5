import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Part } from './data.ts'

/** Over this many bytes of JSON, deflating makes it shorter by more than it costs. */
const WORTH_DEFLATING = 1024
/** More than any cookie or storage takes: what is inflated was sealed by us, but may have been sealed by another release. */
const MAX_INFLATED = 4 * 1024 * 1024
const PLAIN = 0
const DEFLATED = 1

/** What the applications of a session keep, as bytes to be sealed. */
export function encodeContent(parts: readonly Part[]): Uint8Array {
  const json = Buffer.from(JSON.stringify(parts))
  const isLong = json.length > WORTH_DEFLATING
  return Buffer.concat([Buffer.of(isLong ? DEFLATED : PLAIN), isLong ? deflateRawSync(json) : json])
}

/** Nothing for bytes that `encodeContent` does not give. */
export function decodeContent(bytes: Uint8Array): readonly Part[] | undefined {
  const [kind] = bytes
  const rest = bytes.subarray(1)
  try {
    const json = kind === DEFLATED ? inflateRawSync(rest, { maxOutputLength: MAX_INFLATED }) : rest
    const parts: unknown = kind === DEFLATED || kind === PLAIN ? parse(json) : undefined
    return Array.isArray(parts) && parts.every(isPart) ? parts : undefined
  } catch {
    return undefined
  }
}

function parse(json: Uint8Array): unknown {
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.length).toString())
}

function isPart(part: unknown): part is Part {
  const { audience, created, data } = (part ?? {}) as Partial<Part>
  return typeof audience === 'string' && typeof created === 'number' && typeof data === 'object'
}
