import type { X509Certificate } from 'node:crypto'
import type { Cache, Gateway } from '../pdk.ts'
import type { Chain, Trust } from './chain.ts'
import { type Crl, isListed, readCrl } from './crl.ts'
import { crlPoints, fieldsOf, ocspUrls } from './fields.ts'
import { ocspRequest, readOcsp } from './ocsp.ts'

/** How revocations are looked up, by Kong's names for the settings. */
export interface RevocationSettings {
  /** Milliseconds. */
  readonly http_timeout: number
  /** Milliseconds. */
  readonly cert_cache_ttl: number
  readonly ssl_verify: boolean
  readonly http_proxy_host?: string | undefined
  readonly http_proxy_port?: number | undefined
  readonly https_proxy_host?: string | undefined
  readonly https_proxy_port?: number | undefined
}

/** What is known of a certificate: that it was revoked or that it was not, or why nobody can tell. */
export type Status = 'good' | 'revoked' | { readonly unknown: string }

/** Finds out whether an authority has revoked a certificate of its own. Both were verified before, dates included. */
export type FindRevocation = (
  certificate: X509Certificate,
  authority: X509Certificate,
) => Promise<Status>

/** More than the lists of public authorities hold; bytes. */
const MAX_CRL = 32 * 1024 * 1024
const MAX_OCSP = 64 * 1024

/**
 * Prepares the look-up: by OCSP, and by the authority's list where OCSP is not there or does not answer. An authority
 * that cannot be asked gives no error, but a status.
 */
export function createFindRevocation(
  settings: RevocationSettings,
  gateway: Pick<Gateway, 'cache' | 'fetch' | 'now'>,
): FindRevocation {
  const { fetch, now } = gateway
  const crls: Cache<Crl> = gateway.cache('certificate revocation lists')

  async function load(url: string, headers: Record<string, string>, maxBytes: number) {
    const proxy = proxyOf(url, settings)
    const { http_timeout: timeout, ssl_verify } = settings
    const answer = await fetch(url, {
      headers,
      timeout,
      ssl_verify,
      maxBytes,
      ...(proxy && { proxy }),
    })
    if (answer.status !== 200) throw new Error(`${new URL(url).host} answers with ${answer.status}`)
    return Buffer.from(await answer.arrayBuffer())
  }

  async function byOcsp(
    url: string,
    certificate: X509Certificate,
    authority: X509Certificate,
  ): Promise<Status> {
    const request = ocspRequest(url, certificate, authority)
    const answer = await load(request, { accept: 'application/ocsp-response' }, MAX_OCSP)
    return readOcsp(answer, certificate, authority, now()).isRevoked ? 'revoked' : 'good'
  }

  async function byCrl(
    url: string,
    names: readonly Buffer[],
    certificate: X509Certificate,
    authority: X509Certificate,
  ): Promise<Status> {
    const key = `${authority.fingerprint256} ${url}`
    const crl = crls.get(key) ?? (await crls.once(key, () => loadCrl(url, key, authority)))
    return isListed(crl, fieldsOf(certificate), names) ? 'revoked' : 'good'
  }

  async function loadCrl(url: string, key: string, authority: X509Certificate): Promise<Crl> {
    const bytes = await load(url, { accept: 'application/pkix-crl' }, MAX_CRL)
    const crl = readCrl(bytes, authority, now())
    const ttl = Math.min(settings.cert_cache_ttl, crl.nextUpdate - now()) / 1000
    if (crl.isCurrent) crls.set(key, crl, ttl, bytes.length)
    return crl
  }

  return async (certificate, authority) => {
    const faults: string[] = []
    try {
      const fields = fieldsOf(certificate)
      const ways = [
        ...ocspUrls(fields).map((url) => () => byOcsp(url, certificate, authority)),
        ...crlPoints(fields).flatMap(({ urls, names }) =>
          urls.map((url) => () => byCrl(url, names, certificate, authority)),
        ),
      ]
      for (const way of ways) {
        try {
          return await way()
        } catch (error) {
          faults.push(messageOf(error))
        }
      }
    } catch (error) {
      faults.push(messageOf(error))
    }
    return { unknown: faults.join('; ') || 'it names nobody who could tell' }
  }
}

/**
 * The worst that is known of a chain, from a certificate to what ends it. Nobody is asked about the authorities that the
 * configuration names: whoever has written it trusts them.
 */
export async function findRevocationIn(
  { path }: Chain,
  { authorities }: Trust,
  find: FindRevocation,
): Promise<Status> {
  const named = new Set(authorities.map(({ x509 }) => x509.fingerprint256))
  let worst: Status = 'good'
  for (const [i, certificate] of path.slice(0, -1).entries()) {
    if (i > 0 && named.has(certificate.fingerprint256)) continue
    const status = await find(certificate, path[i + 1]!)
    if (status === 'revoked') return status
    if (status !== 'good') worst = status
  }
  return worst
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function proxyOf(url: string, settings: RevocationSettings): { readonly url: string } | undefined {
  const isTls = url.toLowerCase().startsWith('https:')
  const host = isTls ? settings.https_proxy_host : settings.http_proxy_host
  const port = isTls ? settings.https_proxy_port : settings.http_proxy_port
  return host === undefined ? undefined : { url: `http://${host}:${port ?? (isTls ? 443 : 80)}` }
}
