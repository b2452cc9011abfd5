import type { Gateway } from '../../pdk.ts'
import {
  array,
  boolean,
  type Config,
  type EntityCheck,
  integer,
  record,
  string,
} from '../../schema/field.ts'
import { isRecord } from '../../schema/check.ts'
import type { Asker, Calls, TokenResponse } from './calls.ts'
import type { Claims } from './claims.ts'
import { createDiscoveryOf, type Discovery, type fields as discoveries } from './discovery.ts'
import type { fields as endpoints } from './endpoints.ts'
import { parseIssuer } from './issuer.ts'
import type { fields as parameters } from './parameters.ts'
import { Refusal } from './refusal.ts'
import type { RelyingParty } from './relying_party.ts'
import type { fields as transport } from './transport.ts'
import { badUrl } from './url.ts'
import {
  type fields as verification,
  isSameIssuer,
  judgeClaims,
  type Jws,
  parseJws,
  verifyWithKeys,
} from './verify.ts'

const text = string('A text.')

export const fields = {
  token_exchange: record('Which tokens are exchanged for one of the provider (RFC 8693).', {
    subject_token_issuers: array(
      'The issuers.',
      record('An issuer.', {
        issuer: string('The issuer.', { required: true }),
        conditions: record(
          'Which tokens of the provider itself are exchanged: those for which all of it holds. For other issuers there are no conditions.',
          {
            has_scopes: array('Scopes that the token has, all of them.', text),
            missing_scopes: array('Scopes of which the token lacks one.', text),
            has_audience: array('Audiences that the token has, all of them.', text),
            missing_audience: array('Audiences of which the token lacks one.', text),
          },
        ),
        verify_signature: boolean('Whether the signature is checked first.', { default: false }),
        jwks_uri: string(
          'Where the keys of the issuer are; without it where its discovery document says.',
          { custom: badUrl },
        ),
      }),
      { required: true, len_min: 1 },
    ),
    request: record('What the new token is asked for.', {
      scopes: array('Its scopes, instead of `scopes`.', text),
      empty_scopes: boolean('Whether no scopes are asked for.', { default: false }),
      audience: array('Its audiences, instead of `audience`.', text),
      empty_audience: boolean('Whether no audience is asked for.', { default: false }),
    }),
    cache: record('How long the new token is kept.', {
      enabled: boolean('Whether it is kept.', { default: true }),
      ttl: integer('For how long; seconds. Without it `cache_ttl`; never longer than it is good.'),
    }),
  }),
  token_exchange_endpoint: string(
    'Where a token is exchanged in the way before RFC 8693: it is sent there as a bearer token, and the body of the answer is the new one.',
    { custom: badUrl },
  ),
  cache_token_exchange: boolean('Whether tokens of `token_exchange_endpoint` are kept.', {
    default: true,
  }),
}

type Given = NonNullable<Config<typeof fields>['token_exchange']>
type SubjectIssuer = Given['subject_token_issuers'][number]

/** Kong's rules for conditions: the provider's own tokens are exchanged on conditions, those of others always. */
export const checks: readonly EntityCheck[] = [
  ({ issuer, token_exchange }) => {
    if (!isRecord(token_exchange) || typeof issuer !== 'string') return undefined
    const target = parseIssuer(issuer)?.name ?? issuer
    const list = token_exchange.subject_token_issuers
    const entries: readonly unknown[] = Array.isArray(list) ? list : []
    return entries.flatMap((entry, i) => {
      if (!isRecord(entry)) return []
      const field = `token_exchange.subject_token_issuers.${i + 1}`
      const isTarget = isSameIssuer(target, entry.issuer)
      const { verify_signature, jwks_uri } = entry
      const hasConditions = conditionsOf(entry.conditions).length > 0
      const broken = []
      if (isTarget && !hasConditions)
        broken.push({
          field,
          message: 'conditions are required where the issuer is the provider itself',
        })
      if (!isTarget && hasConditions)
        broken.push({ field, message: 'conditions are only for the issuer of the plugin' })
      if (isTarget && (verify_signature === true || (jwks_uri !== undefined && jwks_uri !== null)))
        broken.push({
          field,
          message:
            'verify_signature and jwks_uri are only for issuers other than that of the plugin',
        })
      return broken
    })
  },
]

/** A token that was got for another. */
export interface Exchanged {
  readonly answer: TokenResponse
  /** How long it may be kept at most, if it is good for so long; seconds, 0 for not at all. */
  readonly ttl: number
}

/** The exchange of tokens that callers bring. */
export interface Exchanges {
  /**
   * Whether a token has to be exchanged before it counts, by what it says of itself, which nobody has verified. Without a
   * promise, so that what is exchanged already can be looked up by the token.
   */
  isFor(token: string): boolean
  /** Judges a token for which `isFor` holds and exchanges it: one call, which keeps nothing. Throws `Refusal`. */
  exchange(token: string, by?: Asker): Promise<Exchanged>
  /** What the service is sent for a token that has been verified: another one where `token_exchange_endpoint` is set. Throws `Refusal`. */
  readonly legacy: ((token: string, by?: Asker) => Promise<string>) | undefined
}

type Settings = Config<
  typeof fields &
    typeof discoveries &
    typeof endpoints &
    typeof transport &
    typeof parameters &
    Pick<typeof verification, 'leeway' | 'verify_claims'>
>

/** Prepares the exchange of tokens. */
export function createExchanges(
  config: Settings,
  calls: Pick<Calls, 'token_exchange' | 'legacy_exchange'>,
  relyingParty: Pick<RelyingParty, 'loadMetadata' | 'loadKeys'>,
  gateway: Pick<Gateway, 'cache' | 'now' | 'log' | 'place'>,
): Exchanges {
  const { token_exchange, token_exchange_endpoint, cache_ttl, leeway, verify_claims } = config
  const issuers = (token_exchange?.subject_token_issuers ?? []).map((entry) => ({
    entry,
    discovery: entry.verify_signature ? keysOf(entry, config, relyingParty, gateway) : undefined,
  }))
  const { enabled = true, ttl = cache_ttl } = token_exchange?.cache ?? {}

  function find({ claims }: Jws): (typeof issuers)[number] | undefined {
    return issuers.find(
      ({ entry }) => isSameIssuer(entry.issuer, claims.iss) && meets(claims, entry.conditions),
    )
  }

  return {
    isFor(token) {
      if (issuers.length === 0) return false
      try {
        return find(parseJws(token)) !== undefined
      } catch {
        return false
      }
    },
    async exchange(token, by) {
      const jws = parseJws(token, 'access token')
      const issuer = find(jws)
      if (!issuer) throw new Refusal('invalid_issuer')
      const { entry, discovery } = issuer
      // As a bearer token of that issuer would be. What is over is refused in any case: the provider would refuse it too.
      judgeClaims(jws.claims, {
        kind: 'access token',
        issuers: [entry.issuer],
        leeway,
        now: gateway.now() / 1000,
        strict: verify_claims,
      })
      if (discovery) await verifyWithKeys(jws, discovery, await discovery.load())
      const answer = await calls.token_exchange(token, by)
      const life = answer.expires_in ?? Infinity
      return { answer, ttl: enabled ? Math.max(0, Math.min(life, ttl)) : 0 }
    },
    legacy: token_exchange_endpoint === undefined ? undefined : calls.legacy_exchange,
  }
}

/** The keys of an issuer: where the entry says, or where its own discovery document does. */
function keysOf(
  { issuer, jwks_uri }: SubjectIssuer,
  config: Settings,
  relyingParty: Pick<RelyingParty, 'loadMetadata' | 'loadKeys'>,
  gateway: Pick<Gateway, 'cache' | 'now' | 'log' | 'place'>,
): Discovery {
  return createDiscoveryOf(issuer, jwks_uri, config, relyingParty, gateway)
}

type Condition = readonly [name: string, values: readonly string[]]

/** The conditions that say something: a record in which every member is null is none. */
function conditionsOf(given: unknown): readonly Condition[] {
  if (!isRecord(given)) return []
  return Object.entries(given).filter((entry): entry is [string, string[]] =>
    Array.isArray(entry[1]),
  )
}

function meets(claims: Claims, given: SubjectIssuer['conditions']): boolean {
  return conditionsOf(given).every(([name, values]) => {
    const found = wordsOf(name.endsWith('_scopes') ? claims.scope : claims.aud)
    return name.startsWith('has_')
      ? values.every((value) => found.includes(value))
      : values.some((value) => !found.includes(value))
  })
}

function wordsOf(claim: unknown): readonly unknown[] {
  return typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
}
