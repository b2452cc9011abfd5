import type { Gateway, OutboundRequest } from '../../pdk.ts'
import { boolean, type Config, number, string } from '../../schema/field.ts'
import { badHeaderValue } from '../header.ts'
import { badUrl } from './url.ts'

const authorization = { referenceable: true, custom: badHeaderValue }

export const fields = {
  timeout: number('How long the provider may take to answer; milliseconds.', { default: 10_000 }),
  ssl_verify: boolean("Whether the provider's certificate is checked.", { default: true }),
  keepalive: boolean('Whether connections to the provider are kept for the next request.', {
    default: true,
  }),
  http_version: number('The version of HTTP that the provider is asked by: 1.1 or 1.0.', {
    default: 1.1,
    custom: (value: number) => (value === 1.1 || value === 1 ? undefined : 'expected 1.0 or 1.1'),
  }),
  http_proxy: string('The proxy by which `http:` addresses of the provider are asked.', {
    custom: badUrl,
  }),
  http_proxy_authorization: string('The `Proxy-Authorization` that it is sent.', authorization),
  https_proxy: string('The proxy by which `https:` addresses of the provider are asked.', {
    custom: badUrl,
  }),
  https_proxy_authorization: string('The `Proxy-Authorization` that it is sent.', authorization),
  no_proxy: string(
    'The hosts that are asked without a proxy, with those below them: a list with commas, `*` for all.',
  ),
}

type Settings = Config<typeof fields>

/** Sends one request to the provider, as the configuration says how; `more` is what one call differs in. */
export type Transport = (
  url: URL,
  request: Pick<OutboundRequest, 'method' | 'headers' | 'body'>,
  more?: Pick<OutboundRequest, 'certificate' | 'ssl_verify'>,
) => Promise<Response>

/** Prepares the way to the provider. */
export function createTransport(config: Settings, gateway: Pick<Gateway, 'fetch'>): Transport {
  const { timeout, ssl_verify, keepalive } = config
  const common = {
    timeout,
    keepalive,
    ...(config.http_version === 1 && { http_version: '1.0' as const }),
  }
  const proxies = {
    'http:': proxyOf(config.http_proxy, config.http_proxy_authorization),
    'https:': proxyOf(config.https_proxy, config.https_proxy_authorization),
  }
  const direct = (config.no_proxy ?? '')
    .split(',')
    .map((host) => host.trim().toLowerCase().replace(/^\./, ''))
    .filter((host) => host !== '')

  return (url, request, more = {}) => {
    const proxy = proxies[url.protocol as keyof typeof proxies]
    const isDirect = proxy === undefined || direct.some((host) => isWithin(url.hostname, host))
    return gateway.fetch(url.href, {
      ...request,
      ...common,
      ssl_verify,
      ...more,
      ...(!isDirect && { proxy }),
    })
  }
}

function proxyOf(
  url: string | undefined,
  authorization: string | undefined,
): OutboundRequest['proxy'] {
  if (url === undefined) return undefined
  return authorization === undefined ? { url } : { url, authorization }
}

function isWithin(host: string, domain: string): boolean {
  return domain === '*' || host === domain || host.endsWith(`.${domain}`)
}
