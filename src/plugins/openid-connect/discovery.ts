import type { Gateway } from '../../pdk.ts'
import { array, boolean, type Config, number, string } from '../../schema/field.ts'
import { fields as endpoints, withEndpoints } from './endpoints.ts'
import { badHeaderName, badHeaderValue } from '../header.ts'
import { hashOf } from './hash.ts'
import { type Issuer, parseIssuer } from './issuer.ts'
import { Refusal } from './refusal.ts'
import type { Metadata } from './metadata.ts'
import { createCheck, fields as parameters } from './parameters.ts'
import type { RelyingParty } from './relying_party.ts'
import { fields as transport } from './transport.ts'
import { badUrl } from './url.ts'
import { createKeySet, isSameIssuer, type KeySet } from './verify.ts'

export const fields = {
  issuer: string(
    'The issuer identifier of the provider, or the URL of its discovery document. With Keycloak the URL of the realm.',
    { required: true, referenceable: true, custom: badUrl },
  ),
  using_pseudo_issuer: boolean(
    'Whether `issuer` only names the issuer of tokens, and is never asked for anything.',
    { default: false },
  ),
  jwks_endpoint: string('Where the keys of the provider are, instead of the discovered place.', {
    custom: badUrl,
  }),
  extra_jwks_uris: array(
    'Where further keys are, which are trusted like those of the provider.',
    string('A URL.', { referenceable: true, custom: badUrl }),
  ),
  discovery_headers_names: array(
    'The names of further headers of the discovery request.',
    string('A name.', { custom: badHeaderName }),
  ),
  discovery_headers_values: array(
    'Their values, in the same order.',
    string('A value.', { custom: badHeaderValue }),
  ),
  rediscovery_lifetime: number(
    'How long the provider is not asked again after it was asked for a key that it did not have; seconds.',
    { default: 30 },
  ),
  cache_ttl_resurrect: number(
    'How long what is known of the provider serves after its time where nothing newer can be had; seconds. Without it until there is something newer.',
  ),
  cache_ttl: number(
    'How long discovery documents and keys are kept, and tokens that do not say how long they live; seconds.',
    { default: 3600 },
  ),
}

type Settings = Config<typeof fields & typeof endpoints & typeof transport & typeof parameters>

/** Seconds to wait after a failed attempt, as Kong does. */
const RETRY_AFTER = 5

/** What is known of a provider: its endpoints and its keys. */
export interface Provider {
  readonly metadata: Metadata
  readonly keys: KeySet
}

/** Loads what is to be known of a provider when a request needs it, never before. */
export interface Discovery {
  /** Whether a discovered endpoint may be `http:`: where the issuer itself is. */
  readonly allowHttp: boolean
  /** The same for all that ask the same provider in the same way: what was learned by it is trusted alike. No secret can be read from it. */
  readonly key: string
  /** What is known and not too old, or the provider is down. */
  current(): Provider | undefined
  /** What is known, loaded if need be. Old knowledge serves where the provider is down. Throws `Refusal`. */
  load(): Promise<Provider>
  /** Loads again because `seen` lacked a key, if the last time is long enough ago; gives `seen` if not. */
  renew(seen: Provider): Promise<Provider>
  /** Is told that known keys have verified a signature, for who counts it. */
  verified?(): void
}

/** Shared by all plugin entities that ask the same provider in the same way; kept over reloads. */
interface State {
  provider: Provider | undefined
  /** The keys as they came, to tell whether new ones differ. */
  jwks: string
  loadedAt: number
  /** The last good answer of each place of keys. */
  jwksByUrl: ReadonlyMap<string, readonly unknown[]>
  /** Whether the discovery document is part of it. */
  isWhole: boolean
  triedAt: number
  failure: Refusal | undefined
  pending: Promise<Provider> | undefined
  hasWarned: boolean
}

export function createDiscovery(
  config: Settings,
  relyingParty: Pick<RelyingParty, 'loadMetadata' | 'loadKeys'>,
  gateway: Pick<Gateway, 'cache' | 'now' | 'log' | 'place'>,
): Discovery {
  const { cache_ttl, cache_ttl_resurrect, rediscovery_lifetime, using_pseudo_issuer } = config
  const { now } = gateway
  const issuer = parseIssuer(config.issuer)
  const allowHttp = issuer?.url.protocol === 'http:'
  const headers = discoveryHeaders(config)
  const key = keyOf(config)
  const state = sharedState(key, gateway)
  const check = createCheck({ ...config })

  function current(): Provider | undefined {
    const ttl = state.isWhole ? cache_ttl : Math.min(cache_ttl, rediscovery_lifetime)
    const isFresh = now() - state.loadedAt < ttl * 1000
    if (isFresh) return state.provider
    return hasJustFailed() ? staleProvider() : undefined
  }

  function hasJustFailed(): boolean {
    return state.failure !== undefined && now() - state.triedAt < RETRY_AFTER * 1000
  }

  function ask(): Promise<Provider> {
    state.pending ??= loadProvider()
      .then(
        (provider) => {
          state.provider = provider
          state.loadedAt = now()
          state.failure = undefined
          return provider
        },
        (error: unknown) => {
          state.failure =
            error instanceof Refusal
              ? error
              : new Refusal('provider_invalid_response', undefined, error)
          throw state.failure
        },
      )
      .finally(() => {
        state.triedAt = now()
        state.pending = undefined
      })
    return state.pending
  }

  async function loadProvider(): Promise<Provider> {
    const metadata = await loadMetadata()
    const jwks = await loadKeys(metadata)
    const written = JSON.stringify(jwks)
    // What the old keys proved stays proved if the new ones are the same.
    const keys = state.provider && state.jwks === written ? state.provider.keys : createKeySet(jwks)
    state.jwks = written
    return { metadata, keys }
  }

  async function loadMetadata(): Promise<Metadata> {
    const { jwks_endpoint } = config
    if (!issuer) throw new Refusal('provider_unreachable', 'issuer is no URL')
    const named = withEndpoints(config, { issuer: issuer.name })
    if (using_pseudo_issuer) return named
    try {
      const document = await relyingParty.loadMetadata(issuer, headers)
      state.isWhole = true
      warnOfIssuer(document, issuer)
      return withEndpoints(config, document)
    } catch (error) {
      // With the keys known from elsewhere bearer tokens can be verified without the provider.
      if (jwks_endpoint === undefined) throw error
      state.isWhole = false
      gateway.log.warn('discovery failed, only jwks_endpoint is used', { cause: error })
      return state.provider?.metadata ?? named
    }
  }

  function warnOfIssuer(document: Metadata, { name, url }: Issuer): void {
    if (state.hasWarned || isSameIssuer(document.issuer, name)) return
    state.hasWarned = true
    const told = `the provider calls itself ${document.issuer}, which is what tokens must say`
    // Without the password that a URL may hold.
    const ours = `${url.origin}${url.pathname}`
    gateway.log.warn(`${gateway.place()} openid-connect: issuer is ${ours}, but ${told}`)
  }

  async function loadKeys(metadata: Metadata): Promise<readonly unknown[]> {
    const own = config.jwks_endpoint ?? metadata.jwks_uri
    const configured = new Set([config.jwks_endpoint, ...(config.extra_jwks_uris ?? [])])
    const urls = new Set(
      [own, ...(config.extra_jwks_uris ?? [])].filter((url) => url !== undefined),
    )
    const answers = await Promise.allSettled(
      [...urls].map((url) => relyingParty.loadKeys(url, allowHttp || configured.has(url))),
    )
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (failed && answers.every((answer) => answer.status === 'rejected')) throw failed.reason
    if (failed) gateway.log.warn('some keys could not be loaded', { cause: failed.reason })
    const loaded = [...urls].map((url, i): [string, readonly unknown[]] => {
      const answer = answers[i]!
      return [url, answer.status === 'fulfilled' ? answer.value : (state.jwksByUrl.get(url) ?? [])]
    })
    // Where one place is down, its last answer goes on beside those of the others.
    state.jwksByUrl = new Map(loaded)
    return loaded.flatMap(([, keys]) => keys)
  }

  /** What was known and may still serve where nothing newer can be had. */
  function staleProvider(): Provider | undefined {
    if (cache_ttl_resurrect === undefined) return state.provider
    const ends = state.loadedAt + (cache_ttl + cache_ttl_resurrect) * 1000
    return now() < ends ? state.provider : undefined
  }

  async function loadAnew(): Promise<Provider> {
    const stale = staleProvider()
    // One request waits for a slow provider; the others go on with what was known.
    if (state.pending) return stale ?? state.pending
    if (state.failure && hasJustFailed()) throw state.failure
    return ask().catch((error) => {
      if (stale) return stale
      throw error
    })
  }

  return {
    allowHttp,
    key,
    current,
    async load() {
      const known = current() ?? (await loadAnew())
      check(known.metadata)
      return known
    },
    async renew(seen) {
      if (state.provider && state.provider !== seen) return state.provider
      const pause = state.failure ? RETRY_AFTER : rediscovery_lifetime
      if (!state.pending && now() - state.triedAt < pause * 1000) return seen
      return ask().catch(() => seen)
    },
  }
}

/** The discovery of another issuer, asked in the same way as the provider: by `jwks_uri` alone, if that is given. */
export function createDiscoveryOf(
  issuer: string,
  jwks_uri: string | undefined,
  config: Settings,
  relyingParty: Pick<RelyingParty, 'loadMetadata' | 'loadKeys'>,
  gateway: Pick<Gateway, 'cache' | 'now' | 'log' | 'place'>,
): Discovery {
  const ofProvider = ['extra_jwks_uris', 'discovery_headers_names', 'discovery_headers_values']
  const nothing = Object.fromEntries(
    [...ofProvider, ...Object.keys(config).filter((name) => name.endsWith('_endpoint'))].map(
      (name) => [name, undefined],
    ),
  )
  const settings: Settings = {
    ...config,
    ...nothing,
    issuer,
    verify_parameters: false,
    jwks_endpoint: jwks_uri,
    using_pseudo_issuer: jwks_uri !== undefined,
  }
  return createDiscovery(settings, relyingParty, gateway)
}

function keyOf(config: Settings): string {
  // What was loaded over a connection that nobody checked must not serve who wants it checked.
  const names = Object.keys({ ...fields, ...endpoints, ...transport })
  return hashOf(JSON.stringify(names.map((name) => config[name as keyof Settings])))
}

function sharedState(key: string, gateway: Pick<Gateway, 'cache'>): State {
  const cache = gateway.cache<State>('oidc:providers')
  const known = cache.get(key)
  if (known) return known
  const state: State = {
    provider: undefined,
    jwks: '',
    jwksByUrl: new Map(),
    loadedAt: 0,
    isWhole: true,
    triedAt: 0,
    failure: undefined,
    pending: undefined,
    hasWarned: false,
  }
  cache.set(key, state, Infinity)
  return state
}

function discoveryHeaders(config: Config<typeof fields>): Headers {
  const headers = new Headers()
  config.discovery_headers_names?.forEach((name, i) =>
    headers.append(name, config.discovery_headers_values?.[i] ?? ''),
  )
  return headers
}
