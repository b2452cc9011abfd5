import { createHmac, timingSafeEqual } from 'node:crypto'
import { createSeal, decodeBase64url, deriveKey } from './sealed.ts'

/** What stands at the beginning of a session's cookie, for all to read and for nobody to change. */
export interface Head {
  /** Base64url of 32 random bytes. */
  readonly id: string
  /** When the session began or was renewed last; milliseconds since the epoch, like `used`. */
  readonly started: number
  readonly used: number
  /** Whether the content is not in the cookie. */
  readonly isStored: boolean
}

/** A cookie that is ours: its head, and its content, still sealed, unless that is stored. */
export interface Envelope {
  readonly head: Head
  readonly box: Uint8Array | undefined
  /** Whether it was made with a secret that has been replaced since. */
  readonly isOutdated: boolean
}

/**
 * The text of a session's cookie:
 *
 *     version 1 | flags 2 | length of the box's text 3 | id 32 | started 6 | used 6 | MAC 16 | box
 *
 * in Base64url. The MAC is HMAC-SHA-256, cut to 16 bytes, over all before it, the tag at the box's end, and what the
 * session is bound to. The head is apart from the box so that a session can be used, and its cookie say so, without
 * being sealed anew.
 */
export interface Envelopes {
  /** Seals content; `id` or whatever it is kept under has to be told again to open it. */
  close(content: Uint8Array, id: string): Uint8Array
  open(box: Uint8Array, id: string): Uint8Array | undefined
  /** `bound` is what the session is bound to, as one text. */
  write(head: Head, box: Uint8Array | undefined, bound: string): string
  read(text: string, bound: string): Envelope | undefined
}

const VERSION = 1
const STORED = 1
const SIZE_AT = 3
const ID_AT = 6
const STARTED_AT = 38
const USED_AT = 44
const MAC_AT = 50
const HEAD = 66
const HEAD_TEXT = 88
const TAG = 16

/** How long the whole text is, by its beginning; nothing if it cannot be one. */
export function lengthOf(first: string): number | undefined {
  if (first.length < HEAD_TEXT) return undefined
  // Eight signs are six bytes: all before the id.
  const bytes = decodeBase64url(first.slice(0, 8))
  return bytes?.[0] === VERSION ? HEAD_TEXT + bytes.readUIntBE(SIZE_AT, 3) : undefined
}

/** `context` is all that a cookie must have been made for: for anything else it is worth nothing. */
export function createEnvelopes(secrets: readonly string[], context: readonly string[]): Envelopes {
  const seal = createSeal(secrets, JSON.stringify(['session content', ...context]))
  const keys = secrets.map((secret) => deriveKey(secret, JSON.stringify(['session', ...context])))

  return {
    close: (content, id) => seal.sealBytes(content, id),
    open: (box, id) => seal.openBytes(box, id),
    write({ id, started, used, isStored }, box, bound) {
      const text = box ? Buffer.from(box).toString('base64url') : ''
      const head = Buffer.alloc(HEAD)
      head.writeUInt8(VERSION)
      head.writeUInt16BE(isStored ? STORED : 0, 1)
      head.writeUIntBE(text.length, SIZE_AT, 3)
      head.write(id, ID_AT, 'base64url')
      head.writeUIntBE(started, STARTED_AT, 6)
      head.writeUIntBE(used, USED_AT, 6)
      macOf(keys[0]!, head, box, bound).copy(head, MAC_AT)
      return head.toString('base64url') + text
    },
    read(text, bound) {
      const head = decodeBase64url(text.slice(0, HEAD_TEXT))
      if (head?.length !== HEAD || head[0] !== VERSION) return undefined
      const isStored = head.readUInt16BE(1) === STORED
      const box = isStored ? undefined : decodeBase64url(text.slice(HEAD_TEXT))
      if (lengthOf(text) !== text.length) return undefined
      if (isStored ? text.length !== HEAD_TEXT : !box || box.length < TAG) return undefined
      const mac = head.subarray(MAC_AT)
      const at = keys.findIndex((key) => timingSafeEqual(macOf(key, head, box, bound), mac))
      if (at < 0) return undefined
      return {
        head: {
          id: head.toString('base64url', ID_AT, STARTED_AT),
          started: head.readUIntBE(STARTED_AT, 6),
          used: head.readUIntBE(USED_AT, 6),
          isStored,
        },
        box,
        isOutdated: at > 0,
      }
    },
  }
}

function macOf(key: Buffer, head: Buffer, box: Uint8Array | undefined, bound: string): Buffer {
  // All parts but the last have a fixed length: no byte can be moved from one to the next.
  const mac = createHmac('sha256', key).update(head.subarray(0, MAC_AT))
  mac.update(box ? box.subarray(box.length - TAG) : Buffer.alloc(TAG))
  return mac
    .update(bound)
    .digest()
    .subarray(0, HEAD - MAC_AT)
}
