import { createHash, X509Certificate } from 'node:crypto'
import { type Chain, type Trust, verifyChain } from '../../../certificates/chain.ts'
import {
  createFindRevocation,
  type FindRevocation,
  type Status,
} from '../../../certificates/revocation.ts'
import { type HeaderList, spelling } from '../../../headers.ts'
import type { Awaitable, ClientRequest, Gateway } from '../../../pdk.ts'
import type { Infer } from '../../../schema/field.ts'
import { hashOfAll } from '../hash.ts'
import { Refusal } from '../refusal.ts'
import type { fields } from './fields.ts'

export type HeaderSettings = NonNullable<
  Infer<(typeof fields)['proof_of_possession_mtls_from_header']>
>

/** A certificate as it stands in a header: nothing of it is verified but that it is Base64. */
export interface SentCertificate {
  /** The header's value. */
  readonly raw: string
  /** The client's own, then those that were sent beside it; DER. */
  readonly chain: readonly Buffer[]
  /** The SHA-256 of the client's own. */
  readonly hash: Buffer
}

export interface HeaderCertificates {
  /** Nothing if there is none, or from somebody who is not to be believed. */
  find(request: ClientRequest): SentCertificate | Refusal | undefined
  /** Whether it leads to an authority and was not revoked. Without a promise if it is known already. */
  check(sent: SentCertificate): Awaitable<Refusal | undefined>
}

/** What was found of a certificate. */
interface Finding {
  readonly refusal: Refusal | undefined
}

/** How long a certificate is refused of which nobody could tell whether it was revoked, at most; milliseconds. */
const RETRY = 5_000
/** How many certificates one header may hold. */
const MAX_CHAIN = 10

/** The certificates that proxies in front put into a header. */
export function createHeaderCertificates(
  settings: HeaderSettings,
  gateway: Gateway,
): HeaderCertificates {
  const { now, log } = gateway
  const findValues = headerReader(settings.certificate_header_name)
  const read = settings.certificate_header_format === 'base64_encoded' ? readBase64 : readUrlEncoded
  const trust = trustOf(settings, gateway)
  const findRevocation =
    settings.revocation_check_mode === 'SKIP' ? undefined : createFindRevocation(settings, gateway)
  const findings = gateway.cache<Finding>('oidc:header-certificates')
  const fingerprint = hashOfAll(
    JSON.stringify(settings),
    ...trust.authorities.map(({ x509 }) => x509.fingerprint256),
  )

  function inspect(sent: SentCertificate, key: string): Awaitable<Refusal | undefined> {
    let path: Chain | string
    try {
      const [own, ...others] = sent.chain.map((bytes) => new X509Certificate(bytes))
      path = verifyChain(own!, others, trust, now())
    } catch {
      path = 'it cannot be read'
    }
    if (typeof path === 'string') return keep(key, untrusted(path), settings.cert_cache_ttl)
    const ttl = Math.min(settings.cert_cache_ttl, path.validTo - now())
    if (!findRevocation) return keep(key, undefined, ttl)
    return findings
      .once(key, async () => judge(await statusOf(path, findRevocation), key, ttl))
      .then(({ refusal }) => refusal)
  }

  /** The worst that is known of the chain. Whom the configuration names is not asked about. */
  async function statusOf({ path }: Chain, find: FindRevocation): Promise<Status> {
    const isNamed = ({ fingerprint256 }: X509Certificate) =>
      trust.authorities.some(({ x509 }) => x509.fingerprint256 === fingerprint256)
    let worst: Status = 'good'
    for (const [i, certificate] of path.slice(0, -1).entries()) {
      if (i > 0 && isNamed(certificate)) continue
      const status = await find(certificate, path[i + 1]!)
      if (status === 'revoked') return status
      if (status !== 'good') worst = status
    }
    return worst
  }

  function judge(status: Status, key: string, ttl: number): Finding {
    if (status === 'good') return { refusal: keep(key, undefined, ttl) }
    if (status === 'revoked') {
      const refusal = new Refusal('revoked_client_certificate')
      return { refusal: keep(key, refusal, ttl) }
    }
    const cause = `it is not known whether it was revoked: ${status.unknown}`
    if (settings.revocation_check_mode !== 'STRICT') {
      log.info('a client certificate passes of which nobody could tell if it was revoked', {
        cause,
      })
      return { refusal: keep(key, undefined, ttl) }
    }
    return { refusal: keep(key, untrusted(cause), Math.min(ttl, RETRY)) }
  }

  function keep(key: string, refusal: Refusal | undefined, ttl: number): Refusal | undefined {
    findings.set(key, { refusal }, ttl / 1000)
    return refusal
  }

  return {
    find(request) {
      if (settings.secure_source && !request.isPeerTrusted) return undefined
      const [raw, another] = findValues(request.headers)
      if (raw === undefined || raw === '') return undefined
      // Only one of them can be from the proxy.
      if (another !== undefined) return untrusted('the header came more than once')
      const chain = read(raw)
      const own = chain?.[0]
      if (!own || chain!.length > MAX_CHAIN) return untrusted('the header holds none')
      return { raw, chain: chain!, hash: createHash('sha256').update(own).digest() }
    },
    check(sent) {
      const key = hashOfAll(fingerprint, sent.raw)
      const finding = findings.get(key)
      return finding ? finding.refusal : inspect(sent, key)
    },
  }
}

/**
 * Reads a header by its configured name. A name with `_` stands for that with `-` too, as in Kong; one without stands for
 * itself alone, since a proxy that replaces it lets other spellings of a client pass.
 */
function headerReader(configured: string): (headers: HeaderList) => readonly string[] {
  const name = configured.toLowerCase()
  if (!name.includes('_')) return (headers) => headers.all(name)
  const spelt = spelling(name)
  return ({ fields }) => [...fields].flatMap((each) => (each.spelling === spelt ? each.value : []))
}

function untrusted(why: string): Refusal {
  return new Refusal('invalid_client_certificate', `the client certificate of the header: ${why}`)
}

function trustOf(settings: HeaderSettings, gateway: Gateway): Trust {
  const authorities = settings.ca_certificates.flatMap((id) => {
    const x509 = gateway.findAuthority(id)
    if (!x509)
      gateway.log.warn(
        `openid-connect: the CA certificate ${id} cannot be read, and lets in nobody`,
      )
    return x509 ? [{ id, x509 }] : []
  })
  return { authorities, allowPartialChain: settings.allow_partial_chain }
}

/** DER in Base64; between colons it is a Byte Sequence of RFC 8941, as RFC 9440 has it. */
function readBase64(raw: string): Buffer[] | undefined {
  const text = /^:?([A-Za-z0-9+/]+={0,2}):?$/.exec(raw.trim())?.[1]
  return text === undefined ? undefined : [Buffer.from(text, 'base64')]
}

/** PEM, percent-encoded: nginx's `$ssl_client_escaped_cert`, AWS's `X-Amzn-Mtls-Clientcert`. */
function readUrlEncoded(raw: string): Buffer[] | undefined {
  let pem: string
  try {
    pem = decodeURIComponent(raw)
  } catch {
    return undefined
  }
  const blocks = pem.matchAll(
    /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g,
  )
  const all = [...blocks].map(([, text]) => Buffer.from(text!, 'base64'))
  return all.length > 0 ? all : undefined
}
