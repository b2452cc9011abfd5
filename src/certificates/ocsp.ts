import { createHash, X509Certificate } from 'node:crypto'
import { der, DerReader, oid, TAG } from './der.ts'
import { type CertificateFields, fieldsOf } from './fields.ts'
import { hasBrokenHash, isSigned } from './signature.ts'
import { isCurrent, type Validity } from './validity.ts'

/** What OCSP says of one certificate (RFC 6960). */
export interface OcspAnswer {
  readonly isRevoked: boolean
  /** Until when it may be believed; milliseconds since the epoch. */
  readonly nextUpdate: number
}

const SHA1 = oid('1.3.14.3.2.26')
const BASIC = oid('1.3.6.1.5.5.7.48.1.1')
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const GOOD = 0x80
const REVOKED = 0xa1
/** How old an answer may be that does not say until when it is good; milliseconds. */
const MAX_AGE = 24 * 3600 * 1000

/**
 * Asks for one certificate: the address for GET (RFC 6960 A.1). RFC 5019 §2.1.1 wants SHA-1, which only names the
 * authority here, and no nonce, so that answers can be made beforehand.
 */
export function ocspRequest(
  url: string,
  certificate: X509Certificate,
  authority: X509Certificate,
): string {
  const { issuer, serial } = fieldsOf(certificate)
  const id = der(
    TAG.sequence,
    der(TAG.sequence, der(TAG.oid, Buffer.from(SHA1, 'hex')), der(TAG.null)),
    der(TAG.octetString, sha1(issuer)),
    der(TAG.octetString, sha1(fieldsOf(authority).key)),
    der(TAG.integer, serial),
  )
  const list = der(TAG.sequence, der(TAG.sequence, id))
  const request = der(TAG.sequence, der(TAG.sequence, list)).toString('base64')
  return `${url.replace(/\/$/, '')}/${encodeURIComponent(request)}`
}

/** Reads an answer to `ocspRequest`. Throws for one that tells nothing; the error says why. */
export function readOcsp(
  bytes: Buffer,
  certificate: X509Certificate,
  authority: X509Certificate,
  now: number,
): OcspAnswer {
  const outer = new DerReader(bytes).enter()
  const status = outer.next(TAG.enumerated).content[0]
  if (status !== 0) throw new Error(`OCSP answers with the error ${status}`)
  const wrapped = outer.enter(0xa0).enter()
  if (wrapped.next(TAG.oid).content.toString('hex') !== BASIC)
    throw new Error('OCSP answers in a form that is not understood')
  const basic = new DerReader(wrapped.next(TAG.octetString).content).enter()
  const signed = basic.next(TAG.sequence)
  const algorithm = basic.next(TAG.sequence).whole
  const signature = basic.bits()
  const certificates = basic.optional(0xa0)
  const key = [authority, ...delegatesIn(certificates?.content, authority, now)].find((each) =>
    isSigned(signed.whole, signature, algorithm, each.publicKey),
  )
  if (!key) throw new Error('the answer of OCSP is not signed by the authority')
  const found = findSingle(signed.content, fieldsOf(certificate), fieldsOf(authority))
  if (!found) throw new Error('OCSP answers for another certificate')
  if (!isCurrent(found, now)) throw new Error('the answer of OCSP is not of today')
  if (found.status !== GOOD && found.status !== REVOKED)
    throw new Error('OCSP does not know the certificate')
  return { isRevoked: found.status === REVOKED, nextUpdate: found.nextUpdate }
}

interface Single extends Validity {
  readonly status: number
}

function findSingle(
  content: Buffer,
  { issuer, serial }: CertificateFields,
  { key }: CertificateFields,
): Single | undefined {
  const data = new DerReader(content)
  data.optional(0xa0)
  data.next()
  data.time()
  for (const responses = data.enter(); !responses.isAtEnd;) {
    const single = responses.enter()
    const id = single.enter()
    const isSha1 = id.enter().next(TAG.oid).content.toString('hex') === SHA1
    const isSame =
      id.next(TAG.octetString).content.equals(sha1(issuer)) &&
      id.next(TAG.octetString).content.equals(sha1(key)) &&
      id.next(TAG.integer).content.equals(serial)
    if (!isSha1 || !isSame) continue
    const status = single.next().tag
    const thisUpdate = single.time()
    const next = single.has(0xa0) ? single.enter(0xa0).time() : thisUpdate + MAX_AGE
    return { status, thisUpdate, nextUpdate: next }
  }
  return undefined
}

/** Those whom the authority has made answer in its place (RFC 6960 §4.2.2.2). */
function delegatesIn(
  tagged: Buffer | undefined,
  authority: X509Certificate,
  now: number,
): X509Certificate[] {
  if (!tagged) return []
  const delegates: X509Certificate[] = []
  for (const list = new DerReader(tagged).enter(); !list.isAtEnd;) {
    const delegate = new X509Certificate(list.next(TAG.sequence).whole)
    const isNow = Date.parse(delegate.validFrom) <= now && now <= Date.parse(delegate.validTo)
    const isMade = delegate.checkIssued(authority) && delegate.verify(authority.publicKey)
    const isFor = delegate.keyUsage?.includes(OCSP_SIGNING)
    if (isNow && isMade && isFor && !hasBrokenHash(delegate)) delegates.push(delegate)
  }
  return delegates
}

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest()
}
