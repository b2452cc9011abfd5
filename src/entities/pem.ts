import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'

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

export function badCertificate(pem: string): string | undefined {
  return readCertificate(pem) ? undefined : 'invalid certificate: expected PEM'
}

export function badPrivateKey(pem: string): string | undefined {
  return readPrivateKey(pem) ? undefined : 'invalid key: expected a private key in PEM'
}
