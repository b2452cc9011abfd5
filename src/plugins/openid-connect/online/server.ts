import { X509Certificate } from 'node:crypto'
import type { Online, ServerCertificate } from '../../../pdk.ts'
import { configuredUrls } from '../endpoints.ts'
import { parseIssuer } from '../issuer.ts'
import type { Endpoint } from '../metadata.ts'
import { quotable } from '../refusal.ts'
import type { Config } from '../schema.ts'
import { isSameIssuer } from '../verify.ts'
import type { Found } from './found.ts'
import type { Path, Survey } from './survey.ts'

/** Whether the provider is there, is who it is taken for, and is asked over connections that nobody else can read. */
export function checkServer(config: Config, survey: Survey, now: number): Found[] {
  return [
    ...checkDiscovery(config, survey),
    ...checkIssuer(config, survey),
    ...[...survey.certificates].flatMap(([origin, each]) =>
      checkCertificate(config, new URL(origin).host, each, now),
    ),
    ...survey.unreachable.map(({ endpoint, failure }): Found => ({
      level: 'error',
      code: failure.code,
      field: placeOf(config, endpoint),
      message: `${endpoint}: ${failure.message}`,
    })),
  ]
}

/** The field that says where an endpoint is. */
export function placeOf(config: Config, endpoint: Endpoint): Path {
  return [config[endpoint] === undefined ? 'issuer' : endpoint]
}

function checkDiscovery({ jwks_endpoint, ...config }: Config, survey: Survey): Found[] {
  const { failure, certificates } = survey
  if (!failure) return []
  const { code, message } = failure
  const origin = parseIssuer(config.issuer)?.url.origin ?? ''
  // What is wrong with the certificate is said better below.
  if (config.ssl_verify && certificates.get(origin)?.fault) return []
  // Kong goes on with the keys alone, and so do we.
  const level = jwks_endpoint === undefined ? 'error' : 'warning'
  return [{ level, code, field: ['issuer'], message }]
}

function checkIssuer(config: Config, { document, metadata }: Survey): Found[] {
  const { issuer, issuers_allowed = [], verify_claims } = config
  const ours = parseIssuer(issuer)?.url
  const theirs = document.issuer
  if (!ours || !metadata || typeof theirs !== 'string') return []
  const findings: Found[] = []
  const is = `the provider calls itself ${quotable(theirs)}`
  if (!isSameIssuer(theirs, parseIssuer(issuer)!.name))
    findings.push({
      level: 'warning',
      code: 'issuer_mismatch',
      field: ['issuer'],
      message: `${is}, which is what its tokens say and what is taken; issuer is ${shownUrl(ours)}, and differs in ${differences(ours, theirs)}`,
    })
  const isAllowed = issuers_allowed.some((each) => isSameIssuer(each, theirs))
  if (issuers_allowed.length > 0 && !isAllowed)
    findings.push({
      level: verify_claims ? 'error' : 'warning',
      code: 'issuer_not_allowed',
      field: ['issuers_allowed'],
      message: `${is}, which is not among them, so that its own tokens are refused`,
    })
  return findings
}

/** Without the password and the query that a URL may hold. */
export function shownUrl({ origin, pathname }: URL): string {
  return `${origin}${pathname}`
}

function differences(ours: URL, theirs: string): string {
  const other = URL.parse(theirs)
  if (!other) return 'everything: theirs is no URL'
  const bare = (url: URL) => url.pathname.replace(/\/+$/, '')
  const names: readonly (readonly [string, boolean])[] = [
    ['the scheme', ours.protocol !== other.protocol],
    ['the host', ours.hostname !== other.hostname],
    ['the port', ours.hostname === other.hostname && ours.port !== other.port],
    ['the path', bare(ours) !== bare(other)],
  ]
  const those = names.filter(([, differs]) => differs).map(([name]) => name)
  return those.join(' and ') || 'spelling'
}

/** Days before the end of a certificate from which on it is told. */
const SOON = 30
const DAY = 86_400_000

const FAULTS = {
  expired: 'has run out',
  name: 'is for another name',
  trust: 'is of no authority that is trusted here',
} as const

const MENDS = {
  expired: 'have it renewed',
  name: 'ask the provider by a name of its certificate',
  trust: "name the provider's CA in SSL_CERT_FILE",
} as const

function checkCertificate(
  { ssl_verify }: Config,
  host: string,
  { ends, fault }: ServerCertificate,
  now: number,
): Found[] {
  const date = Number.isNaN(ends) ? 'an unknown day' : new Date(ends).toISOString().slice(0, 10)
  const of = `the certificate of ${host}`
  if (fault) {
    const code = `certificate_${fault.kind}` as const
    const why = `${of} ${FAULTS[fault.kind]} (${fault.kind === 'expired' ? date : quotable(fault.message)})`
    const outcome = ssl_verify
      ? MENDS[fault.kind]
      : 'ssl_verify is off, so that anybody may show it'
    return [
      {
        level: ssl_verify ? 'error' : 'warning',
        code,
        field: [ssl_verify ? 'issuer' : 'ssl_verify'],
        message: `${why}; ${outcome}`,
      },
    ]
  }
  const findings: Found[] = []
  const days = Math.floor((ends - now) / DAY)
  if (days < SOON)
    findings.push({
      level: 'warning',
      code: 'certificate_ends_soon',
      field: ['issuer'],
      message: `${of} runs out on ${date}, in ${days} ${days === 1 ? 'day' : 'days'}`,
    })
  if (!ssl_verify)
    findings.push({
      level: 'note',
      code: 'ssl_verify_possible',
      field: ['ssl_verify'],
      message: `${of} would pass, so that it can be checked: set ssl_verify to true`,
    })
  return findings
}

/** What the clients show instead of a secret. */
export function checkClientCertificate(
  { tls_client_auth_cert_id: id }: Config,
  { findCertificate, now }: Pick<Online, 'findCertificate' | 'now'>,
): Found[] {
  if (id === undefined) return []
  const found = (level: Found['level'], message: string): Found[] => [
    { level, code: 'client_certificate', field: ['tls_client_auth_cert_id'], message },
  ]
  const certificate = findCertificate(id)
  if (!certificate) return found('error', 'names no certificate of the configuration')
  const ends = Date.parse(new X509Certificate(certificate.cert).validTo)
  const days = Math.floor((ends - now()) / DAY)
  const date = new Date(ends).toISOString().slice(0, 10)
  if (days < 0) return found('error', `the certificate has run out (${date}); have it renewed`)
  return days < SOON ? found('warning', `the certificate runs out on ${date}; have it renewed`) : []
}

/** Connections on which tokens or secrets can be read. */
export function checkPlainText(
  config: Config,
  { metadata }: Survey,
  used: readonly Endpoint[],
): Found[] {
  const issuer = parseIssuer(config.issuer)?.url
  const own = configuredUrls(config)
  const findings = new Map<string, Found>()
  const add = (origin: string, finding: Found) => {
    if (!findings.has(origin)) findings.set(origin, finding)
  }
  if (issuer && isPlain(issuer) && !config.using_pseudo_issuer)
    add(issuer.origin, plain(['issuer'], issuer, 'the keys and all else'))
  for (const endpoint of used) {
    const text = metadata?.[endpoint]
    const url = text === undefined ? null : URL.parse(text)
    if (!text || url?.protocol !== 'http:') continue
    const field = placeOf(config, endpoint)
    if (issuer?.protocol === 'https:' && !own.has(text))
      add(`${endpoint} ${url.origin}`, {
        level: 'error',
        code: 'plain_http_refused',
        field,
        message: `the ${endpoint} of the provider is ${shownUrl(url)}: without TLS it is not asked, since issuer has TLS`,
      })
    else if (isPlain(url)) add(url.origin, plain(field, url, 'tokens and client secrets'))
  }
  return [...findings.values()]
}

function plain(field: Path, url: URL, what: string): Found {
  return {
    level: 'warning',
    code: 'plain_http',
    field,
    message: `${url.origin} is asked without TLS, so that ${what} can be read and changed on the way`,
  }
}

function isPlain(url: URL): boolean {
  return url.protocol === 'http:' && !isLocal(url)
}

/** Whether only this machine is meant. */
export function isLocal({ hostname }: URL): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}
