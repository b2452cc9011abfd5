/** One of Kong's how-tos, as data. */
export interface HowTo {
  readonly name: string
  readonly title: string
  readonly plugins: readonly string[]
  readonly prereq_entities: Deck
  readonly steps: readonly Step[]
  readonly idp: Provider
  /** What stands for a provider that is not Keycloak. */
  readonly keycloak_equivalent: {
    readonly idp: Provider
    readonly env: Readonly<Record<string, string>>
  } | null
  readonly beyond_the_page: readonly Beyond[]
}

export interface Provider {
  readonly kind: string
  /** Absent where there are several. */
  readonly realm?: string
  /** The variables that the reader has set before the first step, and what is in them. */
  readonly env: Readonly<Record<string, string>>
}

export type Step = EnvStep | ApplyStep | RequestStep | ShellStep | { readonly kind: 'illustration' }

export interface EnvStep {
  readonly kind: 'env'
  /** Variables, and what the shell makes their values of. */
  readonly set: Readonly<Record<string, string>>
}

export interface ApplyStep {
  readonly kind: 'apply'
  readonly deck: Deck
  /** The variables that the block reads. */
  readonly env: Readonly<Record<string, string>>
}

/** A block of entities, as for `deck gateway apply`. */
export type Deck = { readonly [collection: string]: string | readonly Entity[] }

export interface Entity {
  readonly [field: string]: unknown
  readonly config?: Readonly<Record<string, unknown>>
}

export interface RequestStep {
  readonly kind: 'request'
  readonly method: string
  readonly url: string
  readonly basic_auth?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly json?: unknown
  readonly tls_insecure?: boolean
  readonly client_cert?: { readonly cert: string; readonly key: string }
  /** Files that curl keeps its cookies in. */
  readonly cookie_jar_write?: string
  readonly cookie_jar_read?: string
  readonly follow_redirects?: boolean
  readonly expect: Expectation
  readonly extract?: readonly Extract[]
}

export interface ShellStep {
  readonly kind: 'shell'
  readonly script: string
  /** Whether it stands for what the reader copies from the answer before. */
  readonly placeholder?: boolean
  /** Words, or the request that the script makes and what is expected of it. */
  readonly expect?: string | Expected
}

export interface Expected {
  readonly request: Omit<RequestStep, 'kind' | 'expect'>
  readonly expect: Expectation
}

export interface Expectation {
  readonly status: number
  readonly facts?: readonly Fact[]
  readonly body?: unknown
  readonly www_authenticate_error?: string
  /** What the plugin datakit shows of itself. */
  readonly trace?: Readonly<Record<string, unknown>>
}

export type Fact = Readonly<Record<string, unknown>>

export interface Extract {
  readonly from: string
  readonly path: string
  readonly env: string
  readonly strip?: string
}

/** What the page does not do, or says in words only. */
export type Beyond = Variation | OtherRealm | LaterRequest | Visit

/** The page with another configuration: what its first request gives then. */
export interface Variation {
  readonly kind: 'variation'
  readonly config_patch: Readonly<Record<string, unknown>>
  readonly expect: Expectation
}

/** A token of a realm whose keys are trusted and whose issuer is not. */
export interface OtherRealm {
  readonly kind: 'variation'
  readonly do: string
  readonly expect: Expectation
}

/** A request after all steps, or before a block of theirs. */
export interface LaterRequest extends Omit<RequestStep, 'kind'> {
  readonly kind: 'request'
  readonly when?: string
}

/** What somebody sees who opens an address in a browser. */
export interface Visit {
  readonly kind: 'browser'
  readonly start: string
  readonly expect: {
    readonly first?: {
      readonly status: number
      readonly query_has: Readonly<Record<string, string>>
    }
    readonly after_callback?: {
      readonly method: string
      readonly path: string
      readonly form: readonly string[]
    }
    readonly response?: {
      readonly status: number
      readonly location_includes: string
      readonly set_cookie: string
      readonly no_fragment_tokens: boolean
    }
    readonly final: {
      readonly method?: string
      readonly status: number
      readonly url_query?: string
      readonly body: readonly Fact[]
    }
  }
}

/** The page as it was before it had a section about the salt. */
export function withoutSalt(page: HowTo): HowTo {
  const steps = page.steps
    .filter((step) => !(step.kind === 'env' && 'DECK_TOKEN_SALT' in step.set))
    .map((step) => {
      if (step.kind !== 'apply') return step
      const { 'salt-token': _, ...env } = step.env
      return {
        ...step,
        env,
        deck: mapConfig(step.deck, ({ cache_tokens_salt: _, ...rest }) => rest),
      }
    })
  return { ...page, steps }
}

/** The page with another configuration of its plugin. */
export function patched(page: HowTo, changes: Readonly<Record<string, unknown>>): HowTo {
  const steps = page.steps.map((step) =>
    step.kind === 'apply'
      ? { ...step, deck: mapConfig(step.deck, (config) => ({ ...config, ...changes })) }
      : step,
  )
  return { ...page, steps }
}

type PluginConfig = NonNullable<Entity['config']>

/** A block with another configuration of the plugin openid-connect. */
function mapConfig(deck: Deck, change: (config: PluginConfig) => PluginConfig): Deck {
  if (!Array.isArray(deck.plugins)) return deck
  const plugins = (deck.plugins as readonly Entity[]).map((plugin) =>
    plugin.name === 'openid-connect' ? { ...plugin, config: change(plugin.config ?? {}) } : plugin,
  )
  return { ...deck, plugins }
}
