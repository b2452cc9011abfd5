import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Gateway } from '../../../pdk.ts'
import { decodeBase64url, deriveKey } from '../session/sealed.ts'

/**
 * The nonces that proofs have to repeat (RFC 9449 §8). One is the time at which it was made, signed: nobody has to
 * remember it, and any process or node that has the same secret knows it.
 */
export interface Nonces {
  create(): string
  /** When a nonce was made, in seconds since the epoch; nothing if none of ours is it. */
  timeOf(nonce: string): number | undefined
}

interface Secrets {
  readonly issuer: string
  readonly session_secret?: string | undefined
  readonly client_secret?: readonly (string | undefined)[] | undefined
}

const TIME = 6
const TAG = 15

/** The secret is what nodes have in common: `session_secret`, or the client's; without either, one of this node. */
export function createNonces(config: Secrets, gateway: Pick<Gateway, 'secrets' | 'now'>): Nonces {
  const { issuer, session_secret, client_secret = [] } = config
  const ofClient = session_secret ? undefined : client_secret.find(Boolean)
  const secrets = ofClient ? [ofClient] : gateway.secrets('session', session_secret || undefined)
  const keys = secrets.map((secret) => deriveKey(secret, `openid-connect DPoP nonces: ${issuer}`))

  function tag(key: Buffer, time: Buffer): Buffer {
    return createHmac('sha256', key).update(time).digest().subarray(0, TAG)
  }

  return {
    create() {
      const time = Buffer.alloc(TIME)
      time.writeUIntBE(Math.floor(gateway.now() / 1000), 0, TIME)
      return Buffer.concat([time, tag(keys[0]!, time)]).toString('base64url')
    },
    timeOf(nonce) {
      const bytes = nonce.length === ((TIME + TAG) * 4) / 3 ? decodeBase64url(nonce) : undefined
      if (!bytes) return undefined
      const time = bytes.subarray(0, TIME)
      const given = bytes.subarray(TIME)
      const isOurs = keys.some((key) => timingSafeEqual(tag(key, time), given))
      return isOurs ? time.readUIntBE(0, TIME) : undefined
    },
  }
}
