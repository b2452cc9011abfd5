import type { X509Certificate } from 'node:crypto'
import { type Der, DerReader, oid, TAG } from './der.ts'

/** What `node:crypto` does not tell of a certificate (RFC 5280 §4.1). */
export interface CertificateFields {
  /** The content of its number, as it is written. */
  readonly serial: Buffer
  /** Both names as they are written, with tag and length. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** The bits of its key, without the algorithm. */
  readonly key: Buffer
  /** By OID as `oid` gives it. */
  readonly extensions: ReadonlyMap<string, Buffer>
}

const VERSION = 0xa0
const EXTENSIONS = 0xa3

/** Throws `DerError`. */
export function fieldsOf({ raw }: X509Certificate): CertificateFields {
  const certificate = new DerReader(raw).enter().enter()
  certificate.optional(VERSION)
  const serial = certificate.next(TAG.integer).content
  certificate.next(TAG.sequence)
  const issuer = certificate.next(TAG.sequence).whole
  certificate.next(TAG.sequence)
  const subject = certificate.next(TAG.sequence).whole
  const publicKey = certificate.enter()
  publicKey.next(TAG.sequence)
  const key = publicKey.bits()
  while (!certificate.isAtEnd && !certificate.has(EXTENSIONS)) certificate.next()
  const extensions = readExtensions(certificate.optional(EXTENSIONS))
  const values = new Map([...extensions].map(([id, { value }]) => [id, value]))
  return { serial, issuer, subject, key, extensions: values }
}

export interface Extension {
  readonly isCritical: boolean
  readonly value: Buffer
}

/** The extensions of a certificate, of a list of revocations or of an answer, within their explicit tag. */
export function readExtensions(tagged: Der | undefined): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>()
  if (!tagged) return extensions
  const list = new DerReader(tagged.content).enter()
  while (!list.isAtEnd) {
    const extension = list.enter()
    const id = extension.next(TAG.oid).content.toString('hex')
    const critical = extension.optional(BOOLEAN)
    const value = extension.next(TAG.octetString).content
    extensions.set(id, { isCritical: critical?.content[0] === 0xff, value })
  }
  return extensions
}

const BOOLEAN = 0x01
const KEY_USAGE = oid('2.5.29.15')
const BASIC_CONSTRAINTS = oid('2.5.29.19')
const CRL_DISTRIBUTION_POINTS = oid('2.5.29.31')
const AUTHORITY_INFO_ACCESS = oid('1.3.6.1.5.5.7.1.1')
const OCSP = oid('1.3.6.1.5.5.7.48.1')
const URI = 0x86

/** Whether its key may sign lists of revocations; it may where nothing is said. Bit 6, RFC 5280 §4.2.1.3. */
export function signsCrls({ extensions }: CertificateFields): boolean {
  const usage = extensions.get(KEY_USAGE)
  if (!usage) return true
  return ((new DerReader(usage).next(TAG.bitString).content[1] ?? 0) & 0x02) !== 0
}

/** Whether it says that it is an authority's, as RFC 5280 §6.3.3 asks it: what its key is for does not matter. */
export function isAuthority({ extensions }: CertificateFields): boolean {
  const constraints = extensions.get(BASIC_CONSTRAINTS)
  const ca = constraints && new DerReader(constraints).enter().optional(BOOLEAN)
  return (ca?.content[0] ?? 0) !== 0
}

/** Where OCSP answers for it (RFC 5280 §4.2.2.1). */
export function ocspUrls({ extensions }: CertificateFields): string[] {
  const access = extensions.get(AUTHORITY_INFO_ACCESS)
  if (!access) return []
  const urls: string[] = []
  for (const list = new DerReader(access).enter(); !list.isAtEnd;) {
    const description = list.enter()
    const method = description.next(TAG.oid).content.toString('hex')
    const place = description.next()
    if (method === OCSP && place.tag === URI) urls.push(place.content.toString('latin1'))
  }
  return urls.filter(isWeb)
}

/** A place of a list of revocations. */
export interface CrlPoint {
  readonly urls: readonly string[]
  /** All of its names as they are written, with tag and length. */
  readonly names: readonly Buffer[]
}

/** Where its authority's revocations for all reasons are (RFC 5280 §4.2.1.13); parts by reasons do not count. */
export function crlPoints({ extensions }: CertificateFields): CrlPoint[] {
  const value = extensions.get(CRL_DISTRIBUTION_POINTS)
  if (!value) return []
  const points: CrlPoint[] = []
  for (const list = new DerReader(value).enter(); !list.isAtEnd;) {
    const point = list.enter()
    const name = point.optional(0xa0)
    // What follows are reasons, or an authority other than the issuer.
    if (!name || !point.isAtEnd) continue
    const full = new DerReader(name.content).optional(0xa0)
    if (!full) continue
    const all: Der[] = []
    for (const names = new DerReader(full.content); !names.isAtEnd;) all.push(names.next())
    const uris = all.filter(({ tag }) => tag === URI)
    const urls = uris.map(({ content }) => content.toString('latin1')).filter(isWeb)
    points.push({ urls, names: all.map(({ whole }) => whole) })
  }
  return points
}

function isWeb(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'http:' || parsed?.protocol === 'https:'
}
