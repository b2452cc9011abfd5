import type { X509Certificate } from 'node:crypto'
import { type Der, DerReader, oid, TAG } from './der.ts'
import { fieldsOf, readExtensions, signsCrls } from './fields.ts'
import { isSigned } from './signature.ts'

/** A list of the certificates that an authority has revoked (RFC 5280 §5). */
export interface Crl {
  /** Their numbers, in hexadecimal. */
  readonly serials: ReadonlySet<string>
  /** When there will be a newer one; milliseconds since the epoch. */
  readonly nextUpdate: number
}

const ISSUING_DISTRIBUTION_POINT = oid('2.5.29.28')
const EXTENSIONS = 0xa0
/** Within an issuing distribution point: its name, and that only certificates of users are listed. */
const HARMLESS = [0xa0, 0x81]

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
  if (thisUpdate > now || nextUpdate <= now)
    throw new Error('the list of revocations is not of today')
  const revoked = list.optional(TAG.sequence)
  checkExtensions(list.optional(EXTENSIONS))
  return { serials: serialsIn(revoked), nextUpdate }
}

function serialsIn(revoked: Der | undefined): Set<string> {
  const serials = new Set<string>()
  if (!revoked) return serials
  for (const entries = new DerReader(revoked.content); !entries.isAtEnd;)
    serials.add(entries.enter().next(TAG.integer).content.toString('hex'))
  return serials
}

/** A list for some reasons only, of other authorities, or of what has changed, says nothing of those that are not in it. */
function checkExtensions(tagged: Der | undefined): void {
  for (const [id, { isCritical, value }] of readExtensions(tagged)) {
    if (!isCritical) continue
    if (id !== ISSUING_DISTRIBUTION_POINT)
      throw new Error('the list of revocations sets conditions that are not understood')
    for (const parts = new DerReader(value).enter(); !parts.isAtEnd;) {
      if (!HARMLESS.includes(parts.next().tag))
        throw new Error('the list of revocations is a part of one')
    }
  }
}

function fromPem(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x2d) return bytes
  const text = /-----BEGIN X509 CRL-----([^-]*)-----END/.exec(bytes.toString('latin1'))?.[1]
  return Buffer.from(text ?? '', 'base64')
}
