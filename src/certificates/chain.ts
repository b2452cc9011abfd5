import type { X509Certificate } from 'node:crypto'
import { hasUncheckedConditions, pathLength } from './extensions.ts'
import { hasBrokenHash } from './signature.ts'

/** An authority that the configuration trusts. */
export interface Authority {
  readonly id: string
  readonly x509: X509Certificate
}

/** How a certificate leads to an authority. */
export interface Chain {
  /** The ids of the trusted authorities on the way, the nearest first. */
  readonly authorities: readonly string[]
  /** From the client's certificate to the one that ends it, each signed by the next. */
  readonly path: readonly X509Certificate[]
  /** When all of its certificates are valid; milliseconds since the epoch. */
  readonly validFrom: number
  readonly validTo: number
}

/** What a chain is verified against. */
export interface Trust {
  readonly authorities: readonly Authority[]
  /** Whether an authority is trusted that is not a root. */
  readonly allowPartialChain: boolean
}

/** Certificates in a chain; OpenSSL has a limit too, and nobody comes near it. */
const MAX_LENGTH = 10
/** RFC 5280 §4.2.1.12, clientAuth. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * Finds the way from a client's certificate to a trusted authority, by those that the client sent beside it. Gives why
 * there is none, in words. Signatures, names, times and key usage are checked by `node:crypto`.
 */
export function verifyChain(
  certificate: X509Certificate,
  sent: readonly X509Certificate[],
  { authorities, allowPartialChain }: Trust,
  now: number,
): Chain | string {
  const path = [certificate]
  const passed: string[] = []
  for (let isTrusted = false; !isTrusted;) {
    const last = path.at(-1)!
    const fault = faultOf(last, now)
    if (fault !== undefined) return fault
    if (path.length === MAX_LENGTH) return 'the chain is too long'
    const authority = authorities.find(({ x509 }) => isValid(x509, now) && hasIssued(x509, last))
    const issuer =
      authority?.x509 ?? sent.find((each) => !path.includes(each) && hasIssued(each, last))
    if (!issuer) return 'it does not lead to an authority in ca_certificates'
    if (hasBrokenHash(last)) return 'it is signed with a hash that is broken'
    if (authority) passed.push(authority.id)
    path.push(issuer)
    isTrusted = authority !== undefined && (allowPartialChain || hasIssued(issuer, issuer))
  }
  const fault = faultOf(path.at(-1)!, now)
  if (fault !== undefined) return fault
  const broken = path.slice(1).some((each, i) => intermediates(path, i) > pathLength(each))
  if (broken) return 'more authorities follow one another than one of them allows'
  return {
    authorities: passed,
    path,
    validFrom: Math.max(...path.map(({ validFrom }) => Date.parse(validFrom))),
    validTo: Math.min(...path.map(({ validTo }) => Date.parse(validTo))),
  }
}

/** Why a certificate may not be part of a chain at all. */
function faultOf(certificate: X509Certificate, now: number): string | undefined {
  if (!isValid(certificate, now))
    return 'a certificate of the chain has expired or is not valid yet'
  const { keyUsage } = certificate
  if (keyUsage && !keyUsage.includes(CLIENT_AUTH))
    return 'a certificate of the chain is not for clients'
  if (hasUncheckedConditions(certificate))
    return 'a certificate of the chain sets conditions that are not understood'
  return undefined
}

function isValid({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo)
}

/** Whether one certificate is that of an authority, and signed the other. */
function hasIssued(authority: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return (
      authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
    )
  } catch {
    // A key that cannot be read has signed nothing.
    return false
  }
}

/** Authorities between the one after `i` and the client's certificate. Who has only changed its key does not count twice. */
function intermediates(path: readonly X509Certificate[], i: number): number {
  return path.slice(1, i + 1).filter(({ subject, issuer }) => subject !== issuer).length
}
