/** One of Kong's how-tos, as data. */
export interface HowTo {
  readonly name: string
  readonly title: string
  readonly prereq_entities: object
  readonly steps: readonly Step[]
  readonly idp: {
    readonly kind: string
    readonly realm: string
    readonly clients: readonly Client[]
  }
  readonly beyond_the_page: readonly Variation[]
}

interface Client {
  readonly client_id: string
  readonly secret: string
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

export interface Deck {
  readonly plugins: readonly {
    readonly name: string
    readonly config: Readonly<Record<string, unknown>>
  }[]
}

export interface RequestStep {
  readonly kind: 'request'
  readonly method: string
  readonly url: string
  readonly basic_auth?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly follow_redirects: boolean
  readonly expect: Expectation
  readonly extract?: readonly Extract[]
}

export interface ShellStep {
  readonly kind: 'shell'
  readonly script: string
  /** Whether it stands for what the reader copies from the answer before. */
  readonly placeholder?: boolean
}

export interface Expectation {
  readonly status: number
  readonly facts?: readonly Fact[]
  readonly body?: unknown
  readonly www_authenticate_error?: string
}

export type Fact = Readonly<Record<string, unknown>>

export interface Extract {
  readonly from: string
  readonly path: string
  readonly env: string
  readonly strip?: string
}

export interface Variation {
  readonly kind: string
  readonly config_patch: Readonly<Record<string, unknown>>
  readonly expect: Expectation
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

type PluginConfig = Deck['plugins'][number]['config']

function mapConfig(deck: Deck, change: (config: PluginConfig) => PluginConfig): Deck {
  const plugins = deck.plugins.map((plugin) => ({ ...plugin, config: change(plugin.config) }))
  return { ...deck, plugins }
}
