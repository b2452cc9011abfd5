import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import type { Conf } from '../conf.ts'
import type { GatewaySettings } from '../gateway.ts'
import type { Plugin } from '../pdk.ts'
import { plugins } from '../plugins/index.ts'
import { UnreadableFile } from './sources.ts'

/** The gateway's settings, from Kong's. Throws `UnreadableFile` for a certificate file that is not there. */
export function settingsOf(
  conf: Conf,
  env: Readonly<Record<string, string | undefined>>,
): GatewaySettings {
  const { headers, headers_upstream } = conf
  return {
    trusted_ips: conf.trusted_ips,
    real_ip_header: conf.real_ip_header,
    real_ip_recursive: conf.real_ip_recursive,
    poolSize: conf.upstream_keepalive_pool_size,
    idleTimeout: conf.upstream_keepalive_idle_timeout,
    maxRequests: conf.upstream_keepalive_max_requests,
    maxBodySize: conf.client_max_body_size,
    tls_certificate_verify: conf.tls_certificate_verify,
    ca: readAuthorities(conf.lua_ssl_trusted_certificate, env),
    fields: {
      server: headers.has('server'),
      via: headers.has('via'),
      requestId: headers.has('x-kong-request-id'),
      proxyLatency: headers.has('x-kong-proxy-latency'),
      upstreamLatency: headers.has('x-kong-upstream-latency'),
      responseLatency: headers.has('x-kong-response-latency'),
      upstreamStatus: headers.has('x-kong-upstream-status'),
      upstreamRequestId: headers_upstream.has('x-kong-request-id'),
    },
  }
}

/** The plugins that the setting `plugins` lets a configuration use: `bundled` are all, `off` is none. */
export function enabledPlugins(names: readonly string[]): ReadonlyMap<string, Plugin> {
  if (names.includes('bundled')) return plugins
  return new Map([...plugins].filter(([name]) => names.includes(name)))
}

/** Where Linux distributions and macOS keep the certificates that the machine trusts. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** PEM of the authorities to trust; nothing means those built in. `system` is `SSL_CERT_FILE`, or the machine's own. */
function readAuthorities(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const parts = names.map((name) =>
    name === 'system' ? readSystem(env.SSL_CERT_FILE) : readCertificates(name),
  )
  if (parts.every((part) => part === undefined)) return undefined
  return parts.map((part) => part ?? rootCertificates.join('\n')).join('\n')
}

function readSystem(file: string | undefined): string | undefined {
  if (file) return readCertificates(file)
  for (const each of SYSTEM_FILES) {
    try {
      return readFileSync(each, 'utf8')
    } catch {
      // Another system's place.
    }
  }
  return undefined
}

function readCertificates(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UnreadableFile(`${name}: the certificates to trust cannot be read (${code})`)
  }
}
