import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

const CERTIFICATE = '-----BEGIN CERTIFICATE-----'

/** The first certificate of a PEM text; nothing if there is none that can be read. */
export function readCertificate(pem: string): X509Certificate | undefined {
  if (!pem.includes(CERTIFICATE)) return undefined
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

export function countCertificates(pem: string): number {
  return pem.split(CERTIFICATE).length - 1
}

/** The private key of a PEM text; nothing if there is none that can be read. */
export function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

/** The key that a certificate certifies; nothing if it is of a kind that cannot be read here, such as secp256k1. */
export function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey
  } catch {
    return undefined
  }
}

export function badCertificate(pem: string): string | undefined {
  const certificate = readCertificate(pem)
  if (!certificate) return 'invalid certificate: expected PEM'
  return publicKeyOf(certificate)
    ? undefined
    : `the key of this certificate cannot be used: expected ${KINDS_OF_KEYS}`
}

/** Says why a handshake cannot be made with a private key; nothing if it can. */
export function badPrivateKey(pem: string): string | undefined {
  try {
    const why = whyUnserved(createPrivateKey(pem))
    return why && `this key cannot be served: ${why}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === UNKNOWN_KIND
      ? `this key cannot be served: expected ${KINDS_OF_KEYS}`
      : 'invalid key: expected a private key in PEM'
  }
}

/** Says why a handshake cannot be made with a certificate and the key that goes with it, though each is good. */
export function badChain(cert: string, key: string): string | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch {
    return 'this certificate cannot be served: one after the first cannot be read'
  }
}

const KINDS_OF_KEYS = 'RSA, ECDSA on P-256, P-384 or P-521, or Ed25519'
const UNKNOWN_KIND = 'ERR_OSSL_EVP_UNSUPPORTED_ALGORITHM'
const CURVES: ReadonlySet<unknown> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])

/** RFC 8017 §9.1.1: a PSS signature of SHA-256, which each TLS 1.3 with RSA needs, does not fit into less. */
const MIN_RSA_BITS = 522

function whyUnserved({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {}
  if (asymmetricKeyType === 'rsa')
    return modulusLength < MIN_RSA_BITS
      ? `RSA of ${modulusLength} bits is too short for a handshake`
      : undefined
  const isKnown =
    asymmetricKeyType === 'ed25519' || (asymmetricKeyType === 'ec' && CURVES.has(namedCurve))
  return isKnown ? undefined : `expected ${KINDS_OF_KEYS}`
}
