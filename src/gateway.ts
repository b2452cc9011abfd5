import { randomUUID } from 'node:crypto'
import type { UpstreamHealth } from './balancer/balancer.ts'
import { Directory } from './balancer/directory.ts'
import { MemoryCache } from './cache/memory.ts'
import { DEFAULT_DNS, type DnsSettings } from './dns/settings.ts'
import type { LocatedFault, SourceFile } from './declarative/faults.ts'
import type { Dialect } from './declarative/dialect.ts'
import { type Entities, loadDeclarative } from './declarative/load.ts'
import type { VaultSettings } from './declarative/vaults.ts'
import type { RouterFlavor } from './entities/route.ts'
import { createErrorWriter, type ErrorTemplates } from './error_body.ts'
import { Capacity } from './front/capacity.ts'
import { DEFAULT_RULES, type HandshakeRules, type KeyPair } from './front/certificates.ts'
import { Listener } from './front/listener.ts'
import { Kept } from './kept.ts'
import { findSecrets } from './kept_secret.ts'
import type { ListenAddress } from './listen.ts'
import type { Awaitable, Cache, Gateway as PluginGateway, Log, Node, Page, Plugin } from './pdk.ts'
import { plugins } from './plugins/index.ts'
import { AccessLog, type AccessLogFormat } from './proxy/access_log.ts'
import { ClientAddress, type ClientAddressSettings } from './proxy/client_address.ts'
import { brokenRequest } from './proxy/errors.ts'
import type { FieldSettings } from './proxy/fields.ts'
import { RequestHandler } from './proxy/handle.ts'
import { requestIds } from './proxy/request_id.ts'
import { createApp } from './proxy/server.ts'
import { checkOrdering, prepare } from './prepare.ts'
import { createDefaults, tlsSource } from './tls.ts'
import type { CompatVersion } from './schema/drift.ts'
import type { Exchange } from './front/exchange.ts'
import { Trace } from './trace.ts'
import { Tracing, type TracingSettings } from './tracing.ts'
import { type KeepaliveLimits, UpstreamClient } from './upstream/client.ts'
import type { Address } from './upstream/target.ts'
import { createFetch } from './upstream/fetch.ts'

/** What a gateway is made of. Times in the settings are in the units of Kong's settings of the same names. */
export interface GatewayOptions {
  readonly files: readonly SourceFile[]
  /** The environment that the files' templates and vault references read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where clients connect; port 0 takes a free one. */
  readonly listen: readonly ListenAddress[]
  readonly log: Log
  /** Writes access log lines; without it there are none. */
  readonly writeAccessLog?: (text: string) => void
  readonly settings?: Partial<GatewaySettings>
  /** The plugins that the files may use; all of them unless given. */
  readonly plugins?: ReadonlyMap<string, Plugin>
  /** Sends what is meant for one `host:port` to another address. */
  readonly connectTo?: ReadonlyMap<string, Address>
  /** It serves nobody but who is tried on it: nothing is kept after it, and no target is probed. */
  readonly isRehearsal?: boolean
}

export interface GatewaySettings extends ClientAddressSettings, KeepaliveLimits, TracingSettings {
  readonly fields: FieldSettings
  /** Shown to clients that name no host of the configuration; one of our own making if there are none. */
  readonly certificates: readonly KeyPair[]
  readonly handshake: HandshakeRules
  /** By a port that we listen on, the one that clients know. */
  readonly port_maps: ReadonlyMap<number, number>
  /** Clients connected at once. Unless given: Kong's 16384, or what the limit of open files has room for. */
  readonly maxConnections?: number
  /** Bytes; 0 is no limit. */
  readonly maxBodySize: number
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
  /** Whether the certificates of services are checked where the service does not say. */
  readonly tls_certificate_verify: boolean
  /** How names are asked for; as in Kong unless given. */
  readonly dns?: DnsSettings
  readonly router_flavor: RouterFlavor
  readonly accessLogFormat: AccessLogFormat
  /** Whether plugins that are not there are left out, if they guard nothing. */
  readonly allowMissingPlugins: boolean
  /** The release of Kong whose defaults configurations mean. */
  readonly compat: CompatVersion
  readonly declarative_dialect: Dialect
  /** Of the vaults that are always there. */
  readonly vaults: VaultSettings
  /** The form of an error that nginx raises in Kong, for a client that names none. */
  readonly error_default_type: string
  /** What takes the place of Kong's words in some of those forms. */
  readonly error_templates: ErrorTemplates
  /** Whether a client that sends `Kong-Debug` is told the names of its route and service. */
  readonly allow_debug_header: boolean
  /** The directory that the gateway may keep something in; without one it keeps nothing over a restart. */
  readonly prefix?: string
  /** Former values of `session_secret`: what they sealed is still opened. */
  readonly session_secrets_before?: readonly string[]
  /** Wrong passwords for a user and address before openid-connect asks the provider no more for a while; 0 is no bound. */
  readonly oidc_password_attempts?: number
  /** A UUID; drawn at the start unless given. */
  readonly node_id?: string | undefined
}

export const DEFAULT_SETTINGS: GatewaySettings = {
  trusted_ips: [],
  real_ip_header: 'x-real-ip',
  real_ip_recursive: false,
  certificates: [],
  handshake: DEFAULT_RULES,
  port_maps: new Map(),
  poolSize: 512,
  idleTimeout: 60,
  maxRequests: 10_000,
  fields: {
    server: true,
    via: true,
    requestId: true,
    proxyLatency: true,
    upstreamLatency: true,
    responseLatency: true,
    upstreamStatus: false,
    upstreamRequestId: true,
  },
  maxBodySize: 0,
  ca: undefined,
  tls_certificate_verify: false,
  router_flavor: 'traditional_compatible',
  accessLogFormat: 'kong',
  allowMissingPlugins: false,
  compat: '3.15',
  declarative_dialect: 'union',
  vaults: {},
  error_default_type: 'text/plain',
  error_templates: {},
  allow_debug_header: false,
}

/** How much one cache keeps: about 50,000 logins with tokens of a usual size; bytes. */
const CACHE_BYTES = 200 * 1024 * 1024

export interface Gateway {
  /** The ports that it listens on, in the order of `listen`. */
  readonly ports: readonly number[]
  /** What the operator should know of the configuration; one sentence each. */
  readonly warnings: readonly string[]
  readonly node: Node
  /** MD5 of the configuration that is served, in hexadecimal. */
  readonly configurationHash: string
  /** The plugins' pages for the status listener, by their path. */
  readonly pages: ReadonlyMap<string, () => Awaitable<Page>>
  /** How the targets of the upstreams are. */
  readonly upstreamHealth: readonly UpstreamHealth[]
  /** Loads another configuration: gives its faults and changes nothing, or takes it over between two requests. */
  reload(files: readonly SourceFile[]): Reloaded
  /** Handles a request that came by no listener; tells of it, and asks the service only if it is no rehearsal. */
  explain(exchange: Exchange, isRehearsal: boolean): Trace
  /** Takes no more connections, answers what was asked, and gives up after `timeout` milliseconds (10,000). */
  stop(timeout?: number): Promise<void>
}

export type Reloaded =
  { readonly warnings: readonly string[] } | { readonly faults: readonly LocatedFault[] }

/** Thrown by `startGateway` for a configuration that cannot be loaded. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly faults: readonly LocatedFault[]
  constructor(faults: readonly LocatedFault[]) {
    super('the configuration has faults')
    this.faults = faults
  }
}

/** Starts a gateway. Throws `ConfigurationError`, or `ListenError`; then nothing is left behind. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings }
  const { log, isRehearsal = false } = options
  const tracing = new Tracing(settings, log)
  const client = new UpstreamClient(settings, options.connectTo)
  const directory = new Directory({ dns: DEFAULT_DNS, ...settings, client, log })
  const fetch = tracing.watch(
    createFetch(client, settings.ca, (...place) => directory.locate(...place)),
  )
  const caches = new Map<string, MemoryCache<unknown>>()
  const kept = new Kept()
  const ownSecrets = (name: string) =>
    kept.keep(`secrets:${name}`, () =>
      findSecrets(name, { prefix: settings.prefix, log, isReader: isRehearsal }),
    )
  const shared = {
    log,
    fetch,
    ca: settings.ca,
    prefix: settings.prefix,
    node_id: settings.node_id ?? randomUUID(),
    now: Date.now,
    oidc_password_attempts: settings.oidc_password_attempts,
    secrets: (name: string, given: string | undefined) => [
      ...(given ? [given] : ownSecrets(name)),
      ...(settings.session_secrets_before ?? []),
    ],
    cache<V>(namespace: string): Cache<V> {
      let cache = caches.get(namespace)
      if (!cache) {
        const joined = () => tracing.current?.waits(namespace)
        caches.set(namespace, (cache = new MemoryCache(CACHE_BYTES, Date.now, joined)))
      }
      return cache as Cache<V>
    },
  }
  const ownCertificates = options.listen.some(({ ssl }) => ssl)
    ? createDefaults(settings.certificates)
    : undefined
  const known = options.plugins ?? plugins
  const writeError = createErrorWriter(settings.error_templates)
  const load = (files: readonly SourceFile[]) => {
    const loaded = loadDeclarative(files, {
      env: options.env,
      plugins: known,
      bundled: plugins,
      compat: settings.compat,
      allowMissingPlugins: settings.allowMissingPlugins,
      dialect: settings.declarative_dialect,
      vaults: settings.vaults,
      routerFlavor: settings.router_flavor,
    })
    if (loaded.faults) return loaded
    const faults = checkOrdering(loaded, known)
    if (faults.length > 0) return { faults }
    const probed = isRehearsal ? withoutProbes(loaded) : loaded
    const names = new Set<string>()
    const keep: PluginGateway['keep'] = (name, create) => kept.keep(name, create, names)
    const prepared = prepare(probed, { ...shared, keep }, known, settings.router_flavor)
    const tls =
      ownCertificates &&
      tlsSource(ownCertificates, settings.handshake, loaded.entities, prepared.instances)
    // Last: what throws before leaves everything as it was.
    const snapshot = prepared.takeOver(directory)
    for (const { handler } of snapshot.instances) handler.takeOver?.()
    kept.takeOver(names)
    return {
      snapshot,
      tls,
      warnings: [...loaded.warnings, ...(tls?.warnings ?? [])],
    }
  }
  const close = async () => {
    await kept[Symbol.asyncDispose]()
    directory.stop()
    client.close()
  }

  const first = load(options.files)
  if ('faults' in first) throw new ConfigurationError(first.faults)
  const accessLog = new AccessLog(options.writeAccessLog, settings.accessLogFormat)
  const nextRequestId = requestIds()
  const handler = new RequestHandler(
    {
      client,
      log,
      accessLog,
      nextRequestId,
      fields: settings.fields,
      clientAddress: new ClientAddress(settings),
      maxBodySize: settings.maxBodySize,
      errorType: settings.error_default_type,
      writeError,
      showsRoutes: settings.allow_debug_header,
      tracing,
    },
    first.snapshot,
  )
  let hash = hashOf(options.files)
  let tls = first.tls
  const app = createApp((exchange) => handler.handle(exchange))
  const listeners: Listener[] = []
  const capacity = new Capacity(settings.maxConnections)
  try {
    for (const address of options.listen) {
      const listener = await Listener.open({
        address,
        publicPort: settings.port_maps.get(address.port),
        tls: () => tls!,
        capacity,
        handle: (exchange) => void app.fetch(exchange as unknown as Request),
        refuse(connection, fault) {
          const request_id = nextRequestId()
          // There is no request that the access log could tell of.
          const facts = { code: 'bad_request', request_id, client: connection.remoteAddress }
          log.info(`${fault.status} ${fault.message}`, facts)
          connection.send(brokenRequest(fault.status, request_id, writeError))
        },
        turnedAway(client, reason) {
          log.info(`a connection was closed: ${reason}`, { code: 'bad_connection', client })
        },
        crashed: (error) =>
          log.error('a connection failed', { code: 'internal_error', cause: error }),
      })
      listeners.push(listener)
    }
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.stop(0)))
    await close()
    throw error
  }
  const node: Node = {
    id: shared.node_id,
    keep: (name, create) => kept.keep(name, create),
    upstreams: () => directory.health,
    statistics() {
      const { accepted, handled } = capacity.count
      const { begun, over } = handler.count
      const connections_active = capacity.used
      return {
        connections_active,
        // A head that is not whole belongs to no request yet.
        connections_reading: 0,
        connections_writing: begun - over,
        connections_waiting: Math.max(0, connections_active - (begun - over)),
        connections_accepted: accepted,
        connections_handled: handled,
        total_requests: begun,
      }
    },
  }
  return {
    ports: listeners.map((listener) => listener.port),
    get upstreamHealth() {
      return directory.health
    },
    warnings: first.warnings,
    node,
    get configurationHash() {
      return hash
    },
    pages: pagesOf(known, node, handler),
    reload(files) {
      const next = load(files)
      if ('faults' in next) return next
      handler.snapshot = next.snapshot
      tls = next.tls
      hash = hashOf(files)
      return { warnings: next.warnings }
    },
    explain(exchange, isRehearsal) {
      const trace = new Trace({ isRehearsal, secretNames: handler.snapshot.secretNames })
      handler.handle(exchange, trace)
      return trace
    },
    async stop(timeout = 10_000) {
      await Promise.all(listeners.map((listener) => listener.stop(timeout)))
      await close()
      accessLog.flush()
    },
  }
}

/** The same configuration, whose targets nobody asks how they are. */
function withoutProbes<L extends { readonly entities: Entities }>(loaded: L): L {
  const upstreams = loaded.entities.upstreams.map((upstream) => {
    const { healthchecks } = upstream
    const { active } = healthchecks
    const quiet = {
      ...active,
      healthy: { ...active.healthy, interval: 0 },
      unhealthy: { ...active.unhealthy, interval: 0 },
    }
    return { ...upstream, healthchecks: { ...healthchecks, active: quiet } }
  })
  return { ...loaded, entities: { ...loaded.entities, upstreams } }
}

function hashOf(files: readonly SourceFile[]): string {
  const hash = new Bun.CryptoHasher('md5')
  for (const { text } of files) hash.update(text)
  return hash.digest('hex')
}

function pagesOf(
  plugins: ReadonlyMap<string, Plugin>,
  node: Node,
  handler: RequestHandler,
): ReadonlyMap<string, () => Awaitable<Page>> {
  const pages = [...plugins.values()].flatMap((plugin) => {
    const instances = () => handler.snapshot.instances.filter((each) => each.plugin === plugin)
    const configs = () => instances().map(({ entity }) => entity.config)
    return Object.entries(plugin.pages?.(node, configs) ?? {})
  })
  return new Map(pages)
}
