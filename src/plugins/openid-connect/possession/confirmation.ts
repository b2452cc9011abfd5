import { timingSafeEqual } from 'node:crypto'
import { isRecord } from '../../../schema/check.ts'
import { Refusal } from '../refusal.ts'
import { decodeBase64url } from '../session/sealed.ts'

/** What a token is bound to (RFC 7800 §3.1), as it is written. */
export interface Confirmation {
  /** The SHA-256 of a certificate (RFC 8705 §3.1). */
  readonly certificate: string | undefined
  /** The thumbprint of a key (RFC 9449 §6.1). */
  readonly key: string | undefined
}

/** Reads the claim `cnf`. Throws `Refusal` for one that says something else: what cannot be checked does not pass. */
export function readConfirmation(cnf: unknown): Confirmation {
  if (cnf === undefined || cnf === null) return UNBOUND
  if (!isRecord(cnf)) throw new Refusal('invalid_token', 'its claim "cnf" is no object')
  return { certificate: textIn(cnf, 'x5t#S256'), key: textIn(cnf, 'jkt') }
}

const UNBOUND: Confirmation = { certificate: undefined, key: undefined }

function textIn(cnf: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(cnf, name) ? cnf[name] : undefined
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string')
    throw new Refusal('invalid_token', `its "cnf" has a "${name}" that is no text`)
  return value
}

/** Whether a text of a token is that hash in Base64url; some providers pad it. Takes as long wherever they differ. */
export function isHash(text: string, hash: Buffer): boolean {
  const bytes = decodeBase64url(text.replace(/=$/, ''))
  return bytes !== undefined && bytes.length === hash.length && timingSafeEqual(bytes, hash)
}
