import type { Consumer, ConsumerGroup } from '../../entities/index.ts'
import type { AccessTokenOwner, Consumers, Credential } from '../../pdk.ts'
import { array, boolean, type Config, string } from '../../schema/field.ts'
import { type Claims, findClaim, wordsOf } from './claims.ts'
import { Refusal } from './refusal.ts'

const element = string('The name of a member, or a position in a list, from 1.')

export const fields = {
  anonymous: string(
    'The id or username of the consumer that stands for callers who are not let in. Without it they are refused.',
  ),
  credential_claim: array(
    'The path of the claim by which other plugins tell callers apart.',
    element,
    { default: ['sub'] },
  ),
  authenticated_groups_claim: array(
    'The path of the claim with the groups that the service is told in `X-Authenticated-Groups`.',
    element,
  ),
  consumer_claims: array(
    'The paths of the claims that may name a consumer; the first that is there counts.',
    array('The path of a claim.', element),
  ),
  consumer_by: array(
    'The fields of a consumer with which the claim is compared, in this order.',
    string('A field.', { one_of: ['custom_id', 'id', 'username'] }),
    { default: ['custom_id', 'username'] },
  ),
  by_username_ignore_case: boolean('Whether the case of usernames is of no account.', {
    default: false,
  }),
  consumer_optional: boolean('Whether callers without a consumer may pass.', { default: false }),
  consumer_groups_claim: array(
    'The path of the claim with the names of the consumer groups that the caller is in.',
    element,
  ),
  consumer_groups_optional: boolean('Whether callers without a consumer group may pass.', {
    default: false,
  }),
}

type Settings = Config<typeof fields>

/** What claims say of a caller, before the configuration is asked who that is. */
export interface Names {
  /** The value of the first claim of `consumer_claims` that is there. */
  readonly consumer: string | undefined
  readonly consumerGroups: readonly string[]
  readonly credential: Credential | undefined
  /** Whose token it is, if the oauth2 plugin has given it: then nobody else is looked for. */
  readonly owner: AccessTokenOwner | undefined
  /** What `X-Authenticated-Groups` tells. */
  readonly groups: readonly string[] | undefined
}

/**
 * Finds the names in claims; of several sources the first that has a claim counts. `told` are those that headers are made
 * of, in their order: a credential has the name that the service is told.
 */
export function namesIn(
  claims: readonly Claims[],
  told: readonly Claims[],
  config: Settings,
  owner: AccessTokenOwner | undefined,
): Names {
  const { consumer_claims = [], consumer_groups_claim, authenticated_groups_claim } = config
  const find = (path: readonly string[]) => findFirst(claims, path)
  const words = (path: readonly string[] | undefined) => (path ? wordsOf(find(path)) : [])
  const groups = words(authenticated_groups_claim)
  const credential = textOf(findFirst(told, config.credential_claim))
  return {
    consumer: consumer_claims
      .map(find)
      .map(textOf)
      .find((value) => value !== undefined),
    consumerGroups: words(consumer_groups_claim),
    credential: credential === undefined ? undefined : { id: credential },
    owner,
    groups: groups.length > 0 ? groups : undefined,
  }
}

function findFirst(claims: readonly Claims[], path: readonly string[]): unknown {
  return claims.map((each) => findClaim(each, path)).find((value) => value !== undefined)
}

function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' || typeof claim === 'number' ? String(claim) : undefined
}

/** Who of the configuration a caller is. */
export interface Mapped {
  readonly consumer: Consumer | undefined
  readonly consumerGroups: readonly ConsumerGroup[] | undefined
  readonly credential: Credential | undefined
}

/** Finds the consumer and the groups that names stand for; a refusal where they have to be there and are not. */
export type FindMapped = (names: Names) => Mapped | Refusal

export function createFindMapped(config: Settings, consumers: Consumers): FindMapped {
  const { consumer_claims = [], consumer_groups_claim } = config
  const needsConsumer = consumer_claims.length > 0 && !config.consumer_optional

  function findConsumer(name: string): Consumer | undefined {
    for (const field of config.consumer_by) {
      const exact = consumers.findBy(field, name)
      if (exact) return exact
      if (field !== 'username' || !config.by_username_ignore_case) continue
      const inAnyCase = consumers.findByUsernameInAnyCase(name)
      if (inAnyCase) return inAnyCase
    }
    return undefined
  }

  return (names) => {
    const { owner, credential } = names
    if (owner) {
      const { consumer, credential } = owner
      const identified = { id: credential.id, identifier: credential.client_id }
      return { consumer, consumerGroups: undefined, credential: identified }
    }
    const consumer = names.consumer === undefined ? undefined : findConsumer(names.consumer)
    if (needsConsumer && !consumer) return new Refusal('consumer_not_found')
    if (!consumer_groups_claim) return { consumer, consumerGroups: undefined, credential }
    const consumerGroups = names.consumerGroups
      .map((name) => consumers.findGroup(name))
      .filter((group) => group !== undefined)
    if (consumerGroups.length > 0) return { consumer, consumerGroups, credential }
    if (!config.consumer_groups_optional) return new Refusal('consumer_group_not_found')
    return { consumer, consumerGroups: undefined, credential }
  }
}
