import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** Makes texts that nobody can read or change who does not know the secret: what cookies hold. */
export interface Seal {
  /** Base64url. `associated` is not in the text, and without the same it does not open: say there what the text is for. */
  seal(plain: string | Uint8Array, associated: string): string
  /** Nothing for a text that was not sealed by this, or for something else. Takes one spelling of a text only. */
  open(text: string, associated: string): Uint8Array | undefined
  sealBytes(plain: Uint8Array, associated: string): Buffer
  openBytes(sealed: Uint8Array, associated: string): Buffer | undefined
}

/** How much longer sealed bytes are than plain ones. */
export const SEAL_LENGTH = 32

const SALT = 16
const TAG = 16

/**
 * AES-256-GCM under a key of its own for each text, so that no number of texts wears the secret out: the key and the
 * nonce are HMAC-SHA-512 of 16 random bytes, under what HKDF-SHA-256 makes of the secret and the purpose. With several
 * secrets the first one seals and each of them opens: that is how a secret is replaced while its cookies are about.
 */
export function createSeal(secret: string | readonly string[], purpose: string): Seal {
  const keys = (typeof secret === 'string' ? [secret] : secret).map((each) =>
    deriveKey(each, purpose),
  )
  const first = keys[0]
  if (!first) throw new Error('a seal needs a secret')

  function sealBytes(plain: Uint8Array, associated: string): Buffer {
    const salt = randomBytes(SALT)
    const { key, nonce } = keyOf(first!, salt)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(Buffer.from(associated))
    const body = cipher.update(plain)
    const rest = cipher.final()
    return Buffer.concat([salt, body, rest, cipher.getAuthTag()])
  }

  function openBytes(sealed: Uint8Array, associated: string): Buffer | undefined {
    if (sealed.length < SALT + TAG) return undefined
    for (const each of keys) {
      const plain = openWith(each, sealed, associated)
      if (plain) return plain
    }
    return undefined
  }

  return {
    seal: (plain, associated) => sealBytes(Buffer.from(plain), associated).toString('base64url'),
    open(text, associated) {
      const sealed = decodeBase64url(text)
      return sealed && openBytes(sealed, associated)
    },
    sealBytes,
    openBytes,
  }
}

/** A key for one purpose; of two secrets or two purposes nobody can tell one's key by the other's. */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
}

/** Bytes of Base64url. Only the one spelling of them that the encoder writes: no padding, no stray bits, no other signs. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function openWith(secret: Buffer, sealed: Uint8Array, associated: string): Buffer | undefined {
  const { key, nonce } = keyOf(secret, sealed.subarray(0, SALT))
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
  decipher.setAAD(Buffer.from(associated))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
  const body = decipher.update(sealed.subarray(SALT, sealed.length - TAG))
  try {
    return Buffer.concat([body, decipher.final()])
  } catch {
    return undefined
  }
}

function keyOf(secret: Buffer, salt: Uint8Array): { key: Buffer; nonce: Buffer } {
  const bytes = createHmac('sha512', secret).update(salt).digest()
  return { key: bytes.subarray(0, 32), nonce: bytes.subarray(32, 44) }
}
