import { isIP } from 'node:net'
import { isAbsolute, join } from 'node:path'
import type { LocatedFault, SourceFile } from './declarative/faults.ts'
import { ROUTER_FLAVORS } from './entities/route.ts'
import { BadListenAddress, type ListenAddress, readListenAddress } from './listen.ts'
import { LEVELS, type Level } from './log.ts'
import { nearest } from './schema/nearest.ts'
import { COMPAT_VERSIONS } from './schema/drift.ts'
import { isVaultReference } from './schema/vault_reference.ts'

/** The settings of a node, by Kong's names; lists are parsed, sizes are in bytes, times in seconds. */
export type Conf = {
  readonly [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['read']>
}

export type LoadedConf =
  | {
      readonly conf: Conf
      /** Sentences for the operator. */
      readonly warnings: readonly string[]
      readonly faults?: never
    }
  | { readonly faults: readonly LocatedFault[] }

/** Thrown by a setting's `read`; the message says what is wrong with the value. */
class BadSetting extends Error {}

interface Setting<T> {
  readonly default: string
  read(text: string): T
}

/** Whose declarative files are read: Kong's own, decK's, or what either takes. */
const DIALECTS = ['union', 'kong', 'deck'] as const

/** The forms of a line of the access log. */
const LOG_FORMATS = ['kong', 'json'] as const

/** The forms of an error that Kong can give where a client names none. */
const ERROR_TYPES = ['text/plain', 'text/html', 'application/json', 'application/xml'] as const

/** The types of records that a name may be asked for, and what was found the last time. */
const RECORD_TYPES = ['LAST', 'SRV', 'A', 'AAAA', 'CNAME'] as const

/** The same for Kong's other client of DNS, in the order in which it asks. */
const FAMILIES = ['SRV', 'A', 'AAAA'] as const

/** What Kong lets run of the Lua that stands in plugins' configurations. */
const UNTRUSTED_LUA = ['off', 'sandbox', 'on'] as const

/** Kong's names for what Mozilla recommends for servers; `custom` is what `ssl_ciphers` says. */
const CIPHER_SUITES = ['modern', 'intermediate', 'old', 'custom'] as const

/** Every setting that has an effect, with Kong's default or ours, and how it is read. */
const SETTINGS = {
  prefix: setting('.', (text) => text),
  proxy_listen: setting('0.0.0.0:8000, [::]:8000', readListen),
  status_listen: setting('127.0.0.1:8007', readStatusListen),
  log_level: setting('notice', readLevel),
  proxy_access_log: setting('/dev/stdout', readPath),
  access_log_format: setting('kong', oneOf(LOG_FORMATS)),
  proxy_error_log: setting('/dev/stderr', readPath),
  declarative_config: setting('', (text) => text || undefined),
  declarative_config_string: setting('', (text) => text || undefined),
  plugins: setting('bundled', readList),
  untrusted_lua: setting('sandbox', oneOf(UNTRUSTED_LUA)),
  headers: setting('server_tokens, latency_tokens, X-Kong-Request-Id', readHeaders),
  headers_upstream: setting('X-Kong-Request-Id', readHeaders),
  trusted_ips: setting('', readTrusted),
  real_ip_header: setting('X-Real-IP', readRealIpHeader),
  real_ip_recursive: setting('off', readBoolean),
  port_maps: setting('', readPortMaps),
  ssl_cert: setting('', readList),
  ssl_cert_key: setting('', readList),
  status_ssl_cert: setting('', readOne),
  status_ssl_cert_key: setting('', readOne),
  ssl_cipher_suite: setting('intermediate', oneOf(CIPHER_SUITES)),
  ssl_ciphers: setting('', (text) => text || undefined),
  ssl_protocols: setting('', readProtocols),
  client_max_body_size: setting('0', readSize),
  dns_resolver: setting('', readServers),
  dns_hostsfile: setting('/etc/hosts', (text) => text),
  dns_order: setting('LAST, SRV, A, CNAME', readTypes),
  resolver_family: setting('', readFamily),
  dns_valid_ttl: setting('', readTtl),
  dns_stale_ttl: setting('3600', readCount),
  dns_not_found_ttl: setting('30', readCount),
  dns_error_ttl: setting('1', readCount),
  error_default_type: setting('text/plain', oneOf(ERROR_TYPES)),
  error_template_html: setting('', (text) => text || undefined),
  error_template_json: setting('', (text) => text || undefined),
  error_template_plain: setting('', (text) => text || undefined),
  error_template_xml: setting('', (text) => text || undefined),
  allow_debug_header: setting('off', readBoolean),
  explain_key: setting('', readExplainKey),
  oidc_password_attempts: setting('10', readCount),
  node_id: setting('', readNodeId),
  session_secrets_before: setting('', readList),
  vault_env_prefix: setting('', (text) => text || undefined),
  vault_env_decode_base64: setting('off', readBoolean),
  vault_fs_prefix: setting('', readDirectory),
  vault_fs_decode_base64: setting('off', readBoolean),
  lua_ssl_trusted_certificate: setting('system', readList),
  tls_certificate_verify: setting('off', readBoolean),
  upstream_keepalive_pool_size: setting('512', readCount),
  upstream_keepalive_max_requests: setting('10000', readCount),
  upstream_keepalive_idle_timeout: setting('60', readCount),
  router_flavor: setting('traditional_compatible', oneOf(ROUTER_FLAVORS)),
  allow_missing_plugins: setting('off', readBoolean),
  compat: setting('3.15', oneOf(COMPAT_VERSIONS)),
  declarative_dialect: setting('union', oneOf(DIALECTS)),
} as const

/** Settings that Kong does not have: as variables they begin with our name, since a later Kong may take theirs. */
const OWN: ReadonlySet<string> = new Set([
  'access_log_format',
  'allow_missing_plugins',
  'compat',
  'declarative_dialect',
  'explain_key',
  'oidc_password_attempts',
  'session_secrets_before',
])

/** The environment variable that a setting is read from. */
export function variableOf(name: string): string {
  return `${OWN.has(name) ? 'GATEHOUSE' : 'KONG'}_${name.toUpperCase()}`
}

/** Directives that Kong injects into nginx, and the names of its other client of DNS, and the settings that they are here. */
const ALIASES: Readonly<Record<string, readonly (keyof typeof SETTINGS)[]>> = {
  nginx_http_client_max_body_size: ['client_max_body_size'],
  nginx_http_ssl_ciphers: ['ssl_ciphers'],
  nginx_http_ssl_protocols: ['ssl_protocols'],
  nginx_proxy_client_max_body_size: ['client_max_body_size'],
  nginx_proxy_proxy_ssl_verify: ['tls_certificate_verify'],
  nginx_proxy_real_ip_header: ['real_ip_header'],
  nginx_proxy_real_ip_recursive: ['real_ip_recursive'],
  resolver_address: ['dns_resolver'],
  // It has one time for whatever is no answer.
  resolver_error_ttl: ['dns_error_ttl', 'dns_not_found_ttl'],
  resolver_hosts_file: ['dns_hostsfile'],
  resolver_stale_ttl: ['dns_stale_ttl'],
  resolver_valid_ttl: ['dns_valid_ttl'],
}

/** Settings of which one value works: another would open a door, or send requests elsewhere. */
const FIXED: Readonly<Record<string, readonly [value: string, sentence: string]>> = {
  admin_gui_listen: ['off', 'Kong Manager is no part of this gateway'],
  admin_listen: ['off', 'the Admin API is not supported yet'],
  client_ssl: ['off', 'a certificate towards services is not supported yet'],
  database: ['off', 'there is no database; the configuration is a file'],
  fips: ['off', 'FIPS mode is not supported'],
  portal: ['off', 'the developer portal is no part of this gateway'],
  proxy_server: ['', 'a proxy towards the internet is not supported yet'],
  role: ['traditional', 'control planes and data planes are not supported yet'],
  stream_listen: ['off', 'streams are not supported yet'],
}

// Kong's other settings, of 3.4 to 3.15: by their beginnings where there are many, then one by one.
const WITHOUT_EFFECT = new RegExp(
  `^(?:(?:admin|ai|analytics|audit_log|client_ssl|cluster|db|debug|dns|keyring|konnect|license|lmdb|lua|nginx|
    opentelemetry|pg|pluginserver|portal|proxy_stream|rbac|resolver|route|smtp|ssl|status|tracing|untrusted_lua|
    vault|vitals|wasm)_.*|anonymous_reports|client_body_buffer_size|consumers_mem_cache_size|
    custom_plugin_streaming_enabled|dedicated_config_processing|enforce_rbac|enforce_route_path_pattern|
    event_hooks_enabled|generate_trace_details|host_ports|
    identity_service|incremental_sync|kic|lru_cache_size|mem_cache_size|new_dns_client|openresty_path|
    pdk_response_exit_header_filter_early_exit|privileged_worker|proxy_server_ssl_verify|proxy_url|
    request_debug|request_debug_token|router_consistency|schema_alias_conflict_mode|tracing|vaults|
    vaults_lazy_load_secrets|via_header_comply_rfc|vitals|wasm|worker_consistency|worker_events_max_payload|
    worker_state_update_frequency|audit_log)$`.replace(/\s+/g, ''),
)

/** What Kubernetes and Kong's images put into the environment beside settings; Kong has settings that end in `_PORT` as well, which are numbers. */
const NO_SETTING =
  /^\w+_SERVICE_(?:HOST|PORT)(?:_\w+)?=|^\w+_PORT(?:_\d+_(?:TCP|UDP)(?:_\w+)?=|=\w+:)|^KONG_(?:VERSION|SHA256|BUILD_\w+)=/

const VARIABLE = /^(?:KONG|GATEHOUSE)_(\w+)$/

interface Given {
  readonly text: string
  fault(message: string, hint?: string): LocatedFault
}

/** Reads the settings: defaults, then `file` (a `kong.conf`), then the `KONG_*` of `env`. */
export function loadConf({
  file,
  env,
}: {
  readonly file?: SourceFile
  readonly env: Readonly<Record<string, string | undefined>>
}): LoadedConf {
  const faults: LocatedFault[] = []
  const given = new Map([...readFile(file, faults), ...readEnv(env)])
  const values = new Map<string, Given>()
  const aliases: string[] = []
  const idle: string[] = []
  const warnings: string[] = []
  for (const [name, value] of given) {
    if (isVaultReference(value.text))
      faults.push(value.fault('references to vaults are not supported yet'))
    else if (Object.hasOwn(SETTINGS, name)) values.set(name, value)
    else if (Object.hasOwn(ALIASES, name)) aliases.push(name)
    else if (Object.hasOwn(FIXED, name)) faults.push(...fixedFault(name, value))
    else if (WITHOUT_EFFECT.test(name)) idle.push(name)
    else warnings.push(unknownSetting(name))
  }
  // A setting's own name says more than another's, but for the client of DNS that Kong was told to use.
  const isNewClient = /^(?:on|true)$/i.test(given.get('new_dns_client')?.text ?? '')
  for (const alias of aliases)
    for (const name of ALIASES[alias]!)
      if (!values.has(name) || (isNewClient && alias.startsWith('resolver_')))
        values.set(name, given.get(alias)!)
  if (idle.length > 0) warnings.push(`settings without effect here: ${idle.sort().join(', ')}`)
  const conf = readSettings(values, faults)
  if (faults.length === 0)
    return {
      conf,
      warnings: [
        ...warnings,
        ...idleFlags(values),
        ...idleWords(values),
        ...unusedProxyProtocol(conf),
      ],
    }
  return { faults: faults.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0) }
}

/** Tells a `kong.conf` from a declarative configuration by what stands in it. */
export function isKongConf(text: string): boolean {
  const lines = text.split('\n').map((line) => line.trim())
  const first = lines.find((line) => line !== '' && !line.startsWith('#'))
  // The file that Kong ships is nothing but comments, of settings.
  return (first ? [first] : lines).some((line) => /^#? ?[a-z][a-z_0-9]*\s*=(?!=)/.test(line))
}

function readSettings(values: ReadonlyMap<string, Given>, faults: LocatedFault[]): Conf {
  const read = Object.entries<Setting<unknown>>(SETTINGS).map(([name, setting]) => {
    const given = values.get(name)
    try {
      return [name, setting.read(given?.text ?? setting.default)]
    } catch (error) {
      if (!(error instanceof BadSetting) || !given) throw error
      faults.push(given.fault(error.message))
      return [name, undefined]
    }
  })
  const conf = Object.fromEntries(read) as Conf
  const place = (path: string) =>
    path === 'off' || isAbsolute(path) ? path : join(conf.prefix, path)
  if (faults.length > 0) return conf
  return {
    ...conf,
    proxy_access_log: place(conf.proxy_access_log),
    proxy_error_log: place(conf.proxy_error_log),
  }
}

function* readFile(
  file: SourceFile | undefined,
  faults: LocatedFault[],
): Iterable<[string, Given]> {
  for (const [i, line] of (file?.text ?? '').split(/\r?\n/).entries()) {
    const fault = (message: string, hint?: string): LocatedFault => {
      const column = line.search(/\S/) + 1
      return { file: file!.name, line: i + 1, column, path: '', message, hint }
    }
    if (/^\s*(?:#|$)/.test(line)) continue
    const [, name, value] = /^\s*([A-Za-z]\w*)\s*=(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) {
      faults.push(fault('expected a setting, as in log_level = notice'))
      continue
    }
    const text = value
      .replace(/(?<!\\)#.*$/, '')
      .replaceAll('\\#', '#')
      .trim()
    const at = (message: string, hint?: string) => ({
      ...fault(message, hint),
      path: name.toLowerCase(),
    })
    if (text !== '') yield [name.toLowerCase(), { text, fault: at }]
  }
}

function* readEnv(env: Readonly<Record<string, string | undefined>>): Iterable<[string, Given]> {
  for (const [variable, value] of Object.entries(env)) {
    const text = value?.trim()
    const [, name] = VARIABLE.exec(variable) ?? []
    if (!text || name === undefined || NO_SETTING.test(`${variable}=${text}`)) continue
    const setting = name.toLowerCase()
    // `KONG_COMPAT` is none of Kong's, and `GATEHOUSE_LOG_LEVEL` none of ours.
    const known = variable === variableOf(setting) ? setting : variable
    const fault = (message: string, hint?: string) => ({ file: variable, path: '', message, hint })
    yield [known, { text, fault }]
  }
}

function fixedFault(name: string, { text, fault }: Given): LocatedFault[] {
  const [value, sentence] = FIXED[name]!
  const advice = value === '' ? 'remove it' : `remove it, or set it to ${value}`
  return text.toLowerCase() === value ? [] : [fault(sentence, advice)]
}

function unknownSetting(name: string): string {
  const [, setting] = VARIABLE.exec(name) ?? []
  if (setting) return `unknown setting ${name}; did you mean ${variableOf(setting.toLowerCase())}?`
  const near = nearest(name, [
    ...Object.keys(SETTINGS),
    ...Object.keys(ALIASES),
    ...Object.keys(FIXED),
  ])
  return `unknown setting ${name}${near ? `; did you mean ${near}?` : ''}`
}

function setting<T>(byDefault: string, read: (text: string) => T): Setting<T> {
  return { default: byDefault, read }
}

/** Reads one of these words. */
function oneOf<const T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((each) => each === text)
    if (word !== undefined) return word
    const near = nearest(text, words)
    throw new BadSetting(
      `expected one of: ${words.join(', ')}${near ? `; did you mean "${near}"?` : ''}`,
    )
  }
}

function readList(text: string): readonly string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

/** A list of one, or of none. */
function readOne(text: string): readonly string[] {
  const list = readList(text)
  if (list.length > 1) throw new BadSetting('expected one, not a list')
  return list
}

function readListen(text: string): readonly ListenAddress[] {
  return readEntries(text).map(({ address }) => address)
}

function readEntries(text: string): readonly ReturnType<typeof readListenAddress>[] {
  const entries = readList(text)
  if (entries[0] === 'off') return []
  try {
    return entries.map(readListenAddress)
  } catch (error) {
    throw error instanceof BadListenAddress ? new BadSetting(error.message) : error
  }
}

function readStatusListen(text: string): readonly ListenAddress[] {
  const addresses = readListen(text)
  for (const { proxyProtocol, http2, unix } of addresses) {
    if (proxyProtocol) throw new BadSetting('proxy_protocol is not supported here; remove it')
    if (http2 && unix !== undefined)
      throw new BadSetting('http2 is not supported on a Unix socket here; remove it')
  }
  return addresses
}

/** Says that nobody would ever give the address that is to be believed. */
function unusedProxyProtocol({ real_ip_header, proxy_listen }: Conf): string[] {
  const isUnused =
    real_ip_header === 'proxy_protocol' && !proxy_listen.some((each) => each.proxyProtocol)
  return isUnused ? ['real_ip_header: no address of proxy_listen has the flag proxy_protocol'] : []
}

/** Flags that only the proxy's own sockets have. */
const OF_SOCKETS = /\b(?:reuseport|ipv6only=\w+|so_keepalive=[\w:]+)/g

/** One sentence for each of these settings with flags that have no effect here. */
function idleFlags(values: ReadonlyMap<string, Given>): string[] {
  return ['proxy_listen', 'status_listen'].flatMap((name) => {
    const given = values.get(name)
    const idle = given ? readEntries(given.text).flatMap(({ idle }) => idle) : []
    if (given && name === 'status_listen') idle.push(...(given.text.match(OF_SOCKETS) ?? []))
    if (idle.length === 0) return []
    return [`${name}: without effect here: ${[...new Set(idle)].join(', ')}`]
  })
}

/** nginx's levels above `error` are told as `error`. */
function readLevel(text: string): Level {
  return oneOf(LEVELS)(['crit', 'alert', 'emerg'].includes(text) ? 'error' : text)
}

/** Where a log goes: in nginx more may follow it, and it may be what is no file. */
function readPath(text: string): string {
  const [path = ''] = text.split(/\s+/)
  const [, kind] = /^(syslog|memory):/.exec(path) ?? []
  // nginx's own word for its standard error; a file of either name is never meant.
  if (path === 'stderr' || path === 'stdout') return `/dev/${path}`
  if (kind === undefined) return path
  throw new BadSetting(`${kind} is not supported; expected a file, /dev/stdout, /dev/stderr or off`)
}

function readDirectory(text: string): string | undefined {
  if (text === '' || isAbsolute(text)) return text || undefined
  throw new BadSetting('expected the path of a directory, from /')
}

/** What nginx reads after the path of a log: a format or a level, and how it is written. */
function idleWords(values: ReadonlyMap<string, Given>): string[] {
  return ['proxy_access_log', 'proxy_error_log'].flatMap((name) => {
    const [, ...idle] = values.get(name)?.text.split(/\s+/) ?? []
    return idle.length > 0 ? [`${name}: without effect here: ${idle.join(', ')}`] : []
  })
}

const TOKENS: Readonly<Record<string, readonly string[]>> = {
  server_tokens: ['server', 'via'],
  latency_tokens: [
    'x-kong-proxy-latency',
    'x-kong-response-latency',
    'x-kong-admin-latency',
    'x-kong-upstream-latency',
  ],
  advanced_latency_tokens: [
    'x-kong-total-latency',
    'x-kong-third-party-latency',
    'x-kong-client-latency',
  ],
}
const HEADERS = [...Object.values(TOKENS).flat(), 'x-kong-upstream-status', 'x-kong-request-id']

/** The names of the headers, in lower case; Kong's groups of them are taken apart. */
function readHeaders(text: string): ReadonlySet<string> {
  const words = readList(text.toLowerCase())
  if (words[0] === 'off') return new Set()
  return new Set(
    words.flatMap((word) => {
      if (word === 'advanced_latency_tokens') return [...TOKENS.latency_tokens!, ...TOKENS[word]!]
      if (Object.hasOwn(TOKENS, word)) return TOKENS[word]!
      if (HEADERS.includes(word)) return [word]
      throw new BadSetting(`unknown header "${word}"`)
    }),
  )
}

/** Addresses of name servers, with a port or without. */
function readServers(text: string): readonly string[] {
  const servers = readList(text)
  const bad = servers.find((server) => {
    const [, address, port = '53'] = /^\[(.+)\](?::(\d{1,5}))?$/.exec(server) ??
      /^([\d.]+):(\d{1,5})$/.exec(server) ?? ['', server]
    return isIP(address!) === 0 || !isPort(port)
  })
  if (bad) throw new BadSetting(`"${bad}" is no address of a name server, such as 192.0.2.1:53`)
  return servers
}

function readTypes(text: string): readonly (typeof RECORD_TYPES)[number][] {
  return readList(text.toUpperCase()).map(oneOf(RECORD_TYPES))
}

/** The types of `dns_order` that Kong's other client of DNS asks for, in its order; nothing unless given. */
function readFamily(text: string): ReturnType<typeof readTypes> | undefined {
  if (text === '') return undefined
  const given = readList(text.toUpperCase()).map(oneOf(FAMILIES))
  return ['LAST', ...FAMILIES.filter((each) => given.includes(each)), 'CNAME']
}

/** Nothing unless given: then the answers say it. */
function readTtl(text: string): number | undefined {
  return text === '' ? undefined : readCount(text)
}

function readNodeId(text: string): string | undefined {
  if (text === '') return undefined
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) return text
  throw new BadSetting('expected a UUID')
}

/** Whoever has it is told of credentials and checks: it has to be as long as a key of SHA-256. */
function readExplainKey(text: string): string | undefined {
  if (text === '') return undefined
  if (text.length >= 32) return text
  throw new BadSetting('expected at least 32 characters')
}

/** TLS versions as they stand in a handshake, the oldest first; nothing unless given. */
function readProtocols(text: string): readonly number[] | undefined {
  if (text === '') return undefined
  const words = text.split(/[\s,]+/)
  const bad = words.find((word) => !Object.hasOwn(PROTOCOLS, word))
  if (bad) throw new BadSetting(`"${bad}" is none of: ${Object.keys(PROTOCOLS).join(', ')}`)
  const versions = [...new Set(words.map((word) => PROTOCOLS[word]!))].sort((a, b) => a - b)
  if (versions.at(-1)! - versions[0]! !== versions.length - 1)
    throw new BadSetting('a version between two others cannot be left out')
  return versions
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  TLSv1: 0x0301,
  'TLSv1.1': 0x0302,
  'TLSv1.2': 0x0303,
  'TLSv1.3': 0x0304,
}

/** `80:8000` says that clients know our port 8000 as 80; by our ports. */
function readPortMaps(text: string): ReadonlyMap<number, number> {
  return new Map(
    readList(text).map((each) => {
      const [, theirs, ours] = /^(\d{1,5}):(\d{1,5})$/.exec(each) ?? []
      if (!isPort(theirs) || !isPort(ours))
        throw new BadSetting(`"${each}" is no pair of ports, such as 80:8000`)
      return [Number(ours), Number(theirs)]
    }),
  )
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && Number(text) > 0 && Number(text) < 65536
}

function readTrusted(text: string): readonly string[] {
  const blocks = readList(text)
  const bad = blocks.find((block) => !isBlock(block))
  if (bad)
    throw new BadSetting(`"${bad}" is no address and no block of addresses, such as 10.0.0.0/8`)
  return blocks
}

function isBlock(text: string): boolean {
  // nginx's word for whoever comes by a Unix socket.
  if (text === 'unix:') return true
  const [address = '', bits = '0', ...more] = text.split('/')
  const family = isIP(address)
  return (
    family !== 0 &&
    more.length === 0 &&
    /^\d{1,3}$/.test(bits) &&
    Number(bits) <= (family === 4 ? 32 : 128)
  )
}

function readRealIpHeader(text: string): string {
  if (!/^[\w-]+$/.test(text)) throw new BadSetting('expected the name of a header')
  return text.toLowerCase()
}

function readBoolean(text: string): boolean {
  if (/^(?:on|true)$/i.test(text)) return true
  if (/^(?:off|false)$/i.test(text)) return false
  throw new BadSetting('expected on or off')
}

const UNITS = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const

/** A size in bytes, or with nginx's `k`, `m` or `g`. */
function readSize(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})([kmg]?)$/.exec(text.toLowerCase()) ?? []
  if (digits === undefined) throw new BadSetting('expected a size, such as 8m')
  return Number(digits) * UNITS[unit as keyof typeof UNITS]
}

function readCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new BadSetting('expected a whole number')
  return Number(text)
}
