import { createHash, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { isPassword } from '../../entities/password.ts'
import type { ClientRequest, Oauth2Application } from '../../pdk.ts'
import type { Parameters } from './parameters.ts'

/** How an application says who it is (RFC 6749 §2.3.1). */
export interface ClientCredentials {
  readonly client_id: unknown
  readonly client_secret: unknown
  /** Whether the header was looked at, whatever stood in it. */
  readonly isInHeader: boolean
}

/** Both from the parameters, or both from the header, or the id alone from the parameters. */
export function readClientCredentials(
  request: ClientRequest,
  parameters: Parameters,
  auth_header_name: string | undefined,
): ClientCredentials {
  const client_id = parameters.get('client_id')
  const client_secret = parameters.get('client_secret')
  const isInBody = client_id !== undefined && client_secret !== undefined
  const header = isInBody ? undefined : headerOf(request, auth_header_name)
  if (header === undefined) return { client_id, client_secret, isInHeader: false }
  const base64 = /^\s*basic\s+(.+)/i.exec(header)?.[1]?.trim() ?? ''
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    return { client_id: undefined, client_secret: undefined, isInHeader: true }
  const text = Buffer.from(base64, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon < 0) return { client_id: text, client_secret: undefined, isInHeader: true }
  return {
    client_id: text.slice(0, colon),
    client_secret: text.slice(colon + 1),
    isInHeader: true,
  }
}

function headerOf({ headers }: ClientRequest, name: string | undefined): string | undefined {
  return name === undefined ? undefined : headers.get(name.toLowerCase())
}

/** Whether it is the secret of the application. */
export async function isSecret(
  { consumer, credential }: Oauth2Application,
  secret: unknown,
): Promise<boolean> {
  if (typeof secret !== 'string') return false
  const { hash_secret, client_secret } = credential
  if (!hash_secret) return isSameText(client_secret, secret)
  const hash = PHC.exec(client_secret)
  // A secret that was typed into the file: it was hashed when it was loaded.
  if (!hash) return isPassword(client_secret, secret, consumer.id)
  const [, digest = '', iterations, length, salt = '', kept = ''] = hash
  const expected = Buffer.from(kept, 'base64')
  if (expected.length !== Number(length)) return false
  const salted = Buffer.from(salt, 'base64')
  const made = await derive(secret, salted, Number(iterations), expected.length, digest)
  return timingSafeEqual(made, expected)
}

const derive = promisify(pbkdf2)

/** How Kong's database keeps a secret: PBKDF2 in the form of a PHC string. */
const PHC =
  /^\$pbkdf2-(sha1|sha224|sha256|sha384|sha512)\$i=([1-9]\d{0,6}),l=([1-9]\d{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** Whether two texts are equal; the time that it takes does not tell how much of them is. */
export function isSameText(expected: string, given: unknown): boolean {
  if (typeof given !== 'string') return false
  const [a, b] = [expected, given].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(a!, b!)
}
