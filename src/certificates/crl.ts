import type { X509Certificate } from 'node:crypto'
import { type Der, DerReader, oid, TAG } from './der.ts'
import {
  type CertificateFields,
  fieldsOf,
  isAuthority,
  readExtensions,
  signsCrls,
} from './fields.ts'
import { isSigned } from './signature.ts'
import { isCurrent } from './validity.ts'

/** A list of the certificates that an authority has revoked (RFC 5280 §5). */
export interface Crl {
  /** Their numbers, in hexadecimal. */
  readonly serials: ReadonlySet<string>
  /** When there will be a newer one; milliseconds since the epoch. */
  readonly nextUpdate: number
  /** Whether it is of today. What another day's list has on it is revoked all the same; of the rest it tells nothing. */
  readonly isCurrent: boolean
  readonly scope: CrlScope
}

/** Of which certificates a list tells at all: the issuing distribution point of RFC 5280 §5.2.5. */
export interface CrlScope {
  /** The names of the part that it is, in hexadecimal; nothing for a whole list. */
  readonly names?: ReadonlySet<string>
  readonly isOfUsers?: boolean
  readonly isOfAuthorities?: boolean
}

const ISSUING_DISTRIBUTION_POINT = oid('2.5.29.28')
const EXTENSIONS = 0xa0
/** Within an issuing distribution point. */
const NAME = 0xa0
const FULL_NAME = 0xa0
const ONLY_USERS = 0x81
const ONLY_AUTHORITIES = 0x82

/** Reads a list, and checks that the authority has signed it. Throws for one that tells nothing; the error says why. */
export function readCrl(bytes: Buffer, authority: X509Certificate, now: number): Crl {
  const outer = new DerReader(fromPem(bytes)).enter()
  const signed = outer.next(TAG.sequence)
  const algorithm = outer.next(TAG.sequence).whole
  const issuer = fieldsOf(authority)
  if (!signsCrls(issuer) || !isSigned(signed.whole, outer.bits(), algorithm, authority.publicKey))
    throw new Error('the list of revocations is not signed by the authority')
  const list = new DerReader(signed.content)
  list.optional(TAG.integer)
  list.next(TAG.sequence)
  if (!list.next(TAG.sequence).whole.equals(issuer.subject))
    throw new Error('the list of revocations is that of another authority')
  const thisUpdate = list.time()
  const hasNext = list.has(TAG.utcTime) || list.has(TAG.generalizedTime)
  // RFC 5280 §5.1.2.5: it has to be there.
  const nextUpdate = hasNext ? list.time() : 0
  const revoked = list.optional(TAG.sequence)
  const scope = readScope(list.optional(EXTENSIONS))
  return {
    serials: serialsIn(revoked),
    nextUpdate,
    isCurrent: isCurrent({ thisUpdate, nextUpdate }, now),
    scope,
  }
}

/**
 * Whether a certificate is on the list. `names` are those of the point that it was loaded from, as the certificate has
 * them. Throws where the list tells nothing of such certificates (RFC 5280 §6.3.3 (b)(2)), or no longer of this one.
 */
export function isListed(
  { serials, isCurrent, scope }: Crl,
  certificate: CertificateFields,
  names: readonly Buffer[],
): boolean {
  const isPart = scope.names && !names.some((name) => scope.names!.has(name.toString('hex')))
  if (isPart || (isAuthority(certificate) ? scope.isOfUsers : scope.isOfAuthorities))
    throw new Error('the list of revocations is a part that the certificate is not in')
  const isOn = serials.has(certificate.serial.toString('hex'))
  if (!isOn && !isCurrent) throw new Error('the list of revocations is not of today')
  return isOn
}

function serialsIn(revoked: Der | undefined): Set<string> {
  const serials = new Set<string>()
  if (!revoked) return serials
  for (const entries = new DerReader(revoked.content); !entries.isAtEnd;)
    serials.add(entries.enter().next(TAG.integer).content.toString('hex'))
  return serials
}

/** A list for some reasons only, of other authorities, or of what has changed, says nothing of those that are not in it. */
function readScope(tagged: Der | undefined): CrlScope {
  let scope: CrlScope = {}
  for (const [id, { isCritical, value }] of readExtensions(tagged)) {
    if (id === ISSUING_DISTRIBUTION_POINT) scope = readIssuingPoint(value)
    else if (isCritical)
      throw new Error('the list of revocations sets conditions that are not understood')
  }
  return scope
}

function readIssuingPoint(value: Buffer): CrlScope {
  const parts = new DerReader(value).enter()
  const name = parts.optional(NAME)
  const isOfUsers = parts.optional(ONLY_USERS) !== undefined
  const isOfAuthorities = parts.optional(ONLY_AUTHORITIES) !== undefined
  if (!parts.isAtEnd) throw new Error('the list of revocations is a part of one')
  return { ...(name && { names: fullNamesIn(name) }), isOfUsers, isOfAuthorities }
}

/** None for a name that is relative to the authority's: nobody writes those (RFC 5280 §4.2.1.13). */
function fullNamesIn({ content }: Der): Set<string> {
  const names = new Set<string>()
  const full = new DerReader(content).optional(FULL_NAME)
  if (!full) return names
  for (const each = new DerReader(full.content); !each.isAtEnd;)
    names.add(each.next().whole.toString('hex'))
  return names
}

function fromPem(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x2d) return bytes
  const text = /-----BEGIN X509 CRL-----([^-]*)-----END/.exec(bytes.toString('latin1'))?.[1]
  return Buffer.from(text ?? '', 'base64')
}
