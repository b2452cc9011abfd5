import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates } from 'node:tls'
import type { Conf } from '../conf.ts'
import type { VaultSettings } from '../declarative/vaults.ts'
import { badCertificate, badChain, badPrivateKey } from '../entities/pem.ts'
import type { HandshakeRules, KeyPair } from '../front/certificates.ts'
import type { GatewaySettings } from '../gateway.ts'
import type { Plugin } from '../pdk.ts'
import { plugins } from '../plugins/index.ts'
import { requestTransformerWithoutLua } from '../plugins/request-transformer/index.ts'
import { UnreadableFile } from './sources.ts'

/** The gateway's settings, from Kong's. Throws `UnreadableFile` for a file that cannot be read. */
export function settingsOf(
  conf: Conf,
  env: Readonly<Record<string, string | undefined>>,
): GatewaySettings {
  const { headers, headers_upstream } = conf
  return {
    trusted_ips: conf.trusted_ips,
    real_ip_header: conf.real_ip_header,
    real_ip_recursive: conf.real_ip_recursive,
    certificates: readCertificatePairs(conf, 'ssl'),
    handshake: handshakeRules(conf),
    port_maps: conf.port_maps,
    dns: { ...conf, dns_order: conf.resolver_family ?? conf.dns_order },
    router_flavor: conf.router_flavor,
    accessLogFormat: conf.access_log_format,
    allowMissingPlugins: conf.allow_missing_plugins,
    compat: conf.compat,
    declarative_dialect: conf.declarative_dialect,
    vaults: vaultSettings(conf),
    error_default_type: conf.error_default_type,
    error_templates: readErrorTemplates(conf),
    allow_debug_header: conf.allow_debug_header,
    explain_key: conf.explain_key,
    traces_to_log: conf.log_level === 'debug',
    node_id: conf.node_id,
    prefix: conf.prefix,
    session_secrets_before: conf.session_secrets_before,
    oidc_password_attempts: conf.oidc_password_attempts,
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

/**
 * The certificates of the setting `ssl_cert` or `status_ssl_cert`, and their keys: paths, PEM, or PEM in Base64. Throws
 * `UnreadableFile`.
 */
function readCertificatePairs(conf: Conf, prefix: 'ssl' | 'status_ssl'): readonly KeyPair[] {
  const [cert, key] = [`${prefix}_cert`, `${prefix}_cert_key`] as const
  const keys = conf[key].map((given) => readPem(given, key))
  const certs = conf[cert].map((given) => readPem(given, cert))
  const advice = `Set KONG_${cert.toUpperCase()} and KONG_${key.toUpperCase()}`
  if (certs.length !== keys.length)
    throw new UnreadableFile(`${cert} and ${key}: each certificate needs its key`, advice)
  return certs.map((each, i) => {
    const pair = { cert: each, key: keys[i]! }
    const unfit = unfitness(pair)
    if (unfit === undefined) return pair
    throw new UnreadableFile(
      `${cert} and ${key}: ${unfit}`,
      `${advice}; the key without a passphrase`,
    )
  })
}

/** Those that the Status API shows; nothing where no address of it says `ssl`. Throws `UnreadableFile`. */
export function readStatusCertificates(conf: Conf): readonly KeyPair[] | undefined {
  const isAsked = conf.status_listen.some(({ ssl }) => ssl)
  return isAsked ? readCertificatePairs(conf, 'status_ssl') : undefined
}

function readPem(given: string, setting: string): string {
  if (given.includes('-----BEGIN ')) return given
  const decoded = Buffer.from(given, 'base64').toString('latin1')
  if (decoded.includes('-----BEGIN ')) return decoded
  try {
    return readFileSync(given, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Not the value: a key in a broken form is still a key.
    throw new UnreadableFile(
      `${setting}: no PEM, no PEM in Base64, and no file that can be read (${code})`,
      `Set KONG_${setting.toUpperCase()}`,
    )
  }
}

function unfitness(pair: KeyPair): string | undefined {
  const { cert, key } = pair
  return badCertificate(cert) ?? badPrivateKey(key) ?? mismatch(pair) ?? badChain(cert, key)
}

function mismatch({ cert, key }: KeyPair): string | undefined {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
    ? undefined
    : 'a certificate does not match its key'
}

/** RFC 9325 §4.2 in OpenSSL's names: forward secrecy and authenticated encryption. */
const INTERMEDIATE =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305'
const OLD = `${INTERMEDIATE}:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA`
const TLS_1_3 = [0x0304]
const TLS_1_2 = [0x0303, 0x0304]
const TLS_1_0 = [0x0301, 0x0304]

/** Mozilla's three recommendations, by Kong's names. */
const SUITES = {
  modern: { versions: TLS_1_3, ciphers: INTERMEDIATE },
  intermediate: { versions: TLS_1_2, ciphers: INTERMEDIATE },
  old: { versions: TLS_1_0, ciphers: OLD },
} as const

function handshakeRules({ ssl_cipher_suite, ssl_ciphers, ssl_protocols }: Conf): HandshakeRules {
  const suite = SUITES[ssl_cipher_suite === 'custom' ? 'intermediate' : ssl_cipher_suite]
  const versions = ssl_protocols ?? suite.versions
  const ciphers = (ssl_cipher_suite === 'custom' && ssl_ciphers) || suite.ciphers
  try {
    createSecureContext({ ciphers })
  } catch {
    throw new UnreadableFile('ssl_ciphers: none of these is known', 'Set KONG_SSL_CIPHERS')
  }
  return { minVersion: versions[0]!, maxVersion: versions.at(-1)!, ciphers }
}

function readErrorTemplates(conf: Conf): GatewaySettings['error_templates'] {
  const forms = ['html', 'json', 'plain', 'xml'] as const
  return Object.fromEntries(
    forms.flatMap((form) => {
      const setting = `error_template_${form}` as const
      const path = conf[setting]
      return path === undefined ? [] : [[form, readTemplate(path, setting)]]
    }),
  )
}

function readTemplate(path: string, setting: string): string {
  const advice = `Set KONG_${setting.toUpperCase()}`
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UnreadableFile(`${setting}: cannot read ${path} (${code})`, advice)
  }
  const marks = text.match(/%[s%]/g)?.filter((mark) => mark === '%s') ?? []
  if (marks.length <= 2) return text
  throw new UnreadableFile(`${setting}: ${path} has more than two %s`, advice)
}

/** Of the vaults that are always there. */
export function vaultSettings(conf: Conf): VaultSettings {
  return {
    env: { prefix: conf.vault_env_prefix, base64_decode: conf.vault_env_decode_base64 },
    fs: { prefix: conf.vault_fs_prefix, base64_decode: conf.vault_fs_decode_base64 },
  }
}

/**
 * The plugins that the setting `plugins` lets a configuration use: `bundled` are all, `off` is none. They run what is Lua
 * in Kong as far as `untrusted_lua` allows.
 */
export function enabledPlugins(
  names: readonly string[],
  untrusted_lua: Conf['untrusted_lua'] = 'sandbox',
): ReadonlyMap<string, Plugin> {
  const enabled = [...plugins].filter(([name]) => names.includes('bundled') || names.includes(name))
  if (untrusted_lua !== 'off') return new Map(enabled)
  const { name } = requestTransformerWithoutLua
  return new Map(
    enabled.map(([each, plugin]) => [each, each === name ? requestTransformerWithoutLua : plugin]),
  )
}

/** What the setting `plugins` names and is not there; Kong would not start. */
export function missingPlugins(names: readonly string[]): string[] {
  const missing = names.filter((name) => !['bundled', 'off'].includes(name) && !plugins.has(name))
  return missing.length === 0 ? [] : [`plugins: enabled but not installed: ${missing.join(', ')}`]
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
