/** Who the provider is, and where its discovery document is. */
export interface Issuer {
  /** The issuer identifier as it was written, for comparing it with others. */
  readonly name: string
  /** The issuer identifier, without a well-known path. */
  readonly url: URL
  /** Which of the two well-known paths names the document. */
  readonly algorithm: 'oidc' | 'oauth2'
}

/** Reads the issuer of a configuration: an issuer identifier or the URL of its document. */
export function parseIssuer(issuer: string): Issuer | undefined {
  const url = URL.parse(issuer)
  if (!url) return undefined
  const [, before, name, after] = WELL_KNOWN.exec(url.pathname) ?? []
  if (name === undefined) return { name: issuer, url, algorithm: 'oidc' }
  // RFC 8414 §3.1 puts the issuer's own path behind the well-known one, OpenID Connect Discovery before it.
  url.pathname = `${before ?? ''}${after ?? ''}`
  const algorithm = name === 'openid-configuration' ? 'oidc' : 'oauth2'
  return { name: url.href, url, algorithm }
}

const WELL_KNOWN = /^(.*)\/\.well-known\/(openid-configuration|oauth-authorization-server)(\/.*)?$/

/**
 * By which names a provider may call itself. Where the operator sends browsers to an endpoint of his own choice, it is
 * known to them by another name than to the gateway, and tokens that come of a login may say that one.
 */
export function issuersOf(issuer: string, authorization_endpoint: string | undefined): string[] {
  const url = URL.parse(issuer)
  const other = URL.parse(authorization_endpoint ?? '')
  return url && other ? [issuer, `${other.origin}${url.pathname}`] : [issuer]
}
