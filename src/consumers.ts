import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Entities } from './declarative/load.ts'
import type { Consumer, ConsumerGroup, JwtSecret, MtlsAuthCredential } from './entities/index.ts'
import { readPublicKey } from './entities/jwt_key.ts'
import { hashPassword, isPassword } from './entities/password.ts'
import type { Consumers, Credential, TokenKeyOwner } from './pdk.ts'

type Indexed = Pick<
  Entities,
  | 'acls'
  | 'basicauth_credentials'
  | 'consumer_group_consumers'
  | 'consumer_groups'
  | 'consumers'
  | 'jwt_secrets'
  | 'keyauth_credentials'
  | 'mtls_auth_credentials'
  | 'oauth2_credentials'
  | 'oauth2_tokens'
>

/** Makes of the consumers and their credentials what requests look up. `now` is in milliseconds. */
export function indexConsumers(entities: Indexed, now: () => number = Date.now): Consumers {
  const byId = new Map(entities.consumers.map((consumer) => [consumer.id, consumer]))
  const byName = new Map(entities.consumers.map((consumer) => [consumer.username, consumer]))
  const byCustomId = new Map(entities.consumers.map((consumer) => [consumer.custom_id, consumer]))
  const byNameInAnyCase = new Map(
    entities.consumers.map((consumer) => [consumer.username?.toLowerCase(), consumer]),
  )
  const byField = { id: byId, username: byName, custom_id: byCustomId }
  const owned = <C extends { consumer: { id: string } }>(credential: C) => {
    const consumer = byId.get(credential.consumer.id)
    return consumer ? [{ consumer, credential }] : []
  }
  const byKey = new Map(
    entities.keyauth_credentials.flatMap(owned).map((each) => [each.credential.key, each]),
  )
  const byUsername = new Map(
    entities.basicauth_credentials
      .map((credential) => ({ ...credential, identifier: credential.username }))
      .flatMap(owned)
      .map((each) => [each.credential.username, each]),
  )
  const byTokenKey = new Map(
    entities.jwt_secrets
      .map((credential) => ({ ...credential, identifier: credential.key }))
      .flatMap(owned)
      .map((each) => [each.credential.key, withKeys(each)]),
  )
  const bySubject = new Map(
    entities.mtls_auth_credentials
      .flatMap(owned)
      .map((each) => [subjectKey(each.credential), each]),
  )
  const applications = entities.oauth2_credentials
    .map((credential) => ({ ...credential, identifier: credential.client_id }))
    .flatMap(owned)
  const byClientId = new Map(applications.map((each) => [each.credential.client_id, each]))
  const byCredential = new Map(applications.map((each) => [each.credential.id, each]))
  const tokens = entities.oauth2_tokens.flatMap((token) => {
    const owner = byCredential.get(token.credential.id)
    return owner ? [{ ...owner, token }] : []
  })
  const byAccessToken = new Map(tokens.map((each) => [each.token.access_token, each]))
  const byRefreshToken = new Map(tokens.map((each) => [each.token.refresh_token, each]))
  const groups = gather(entities.acls.map(({ consumer, group }) => [consumer.id, group]))
  const groupsByName = new Map(entities.consumer_groups.map((group) => [group.name, group]))
  const consumerGroups = new Map(
    [...gatherGroups(entities)].map(([id, its]) => [id, its.map(({ name }) => name)]),
  )
  const nobody = { password: hashPassword('', ''), id: '' }

  return {
    find: (idOrUsername): Consumer | undefined =>
      byId.get(idOrUsername) ?? byName.get(idOrUsername),
    findBy: (field, value) => byField[field].get(value),
    findByUsernameInAnyCase: (username) => byNameInAnyCase.get(username.toLowerCase()),
    findGroup: (name) => groupsByName.get(name),
    findByAccessToken: (access_token) => byAccessToken.get(access_token),
    findByRefreshToken: (refresh_token) => byRefreshToken.get(refresh_token),
    findByClientId: (client_id) => byClientId.get(client_id),
    findByKey(key) {
      const owner = byKey.get(key)
      const { ttl = Infinity } = owner?.credential ?? {}
      return ttl * 1000 > now() ? owner : undefined
    },
    findByUsername: (username) => byUsername.get(username),
    isPassword(owner, password) {
      const kept = owner?.credential.password ?? nobody.password
      const fits = isPassword(kept, password, owner?.consumer.id ?? nobody.id)
      return fits && owner !== undefined
    },
    findByTokenKey: (key) => byTokenKey.get(key),
    findBySubject: (subject_name, id) =>
      bySubject.get(subjectKey({ subject_name, ca_certificate: id === undefined ? id : { id } })),
    groupsOf: ({ id }) => groups.get(id) ?? NONE,
    consumerGroupsOf: ({ id }) => consumerGroups.get(id) ?? NONE,
  }
}

const NONE: readonly string[] = []

/** The id of an authority has no blanks. */
function subjectKey({
  subject_name,
  ca_certificate,
}: Pick<MtlsAuthCredential, 'subject_name' | 'ca_certificate'>): string {
  return `${ca_certificate?.id ?? ''} ${subject_name}`
}

/** The groups of each consumer that is in any, by its id, in the order of their names. */
export function gatherGroups({
  consumer_groups,
  consumer_group_consumers,
}: Pick<Indexed, 'consumer_groups' | 'consumer_group_consumers'>): ReadonlyMap<
  string,
  readonly ConsumerGroup[]
> {
  const groups = new Map(consumer_groups.map((group) => [group.id, group]))
  const pairs = consumer_group_consumers.flatMap(({ consumer, consumer_group }) => {
    const group = groups.get(consumer_group.id)
    return group ? [[consumer.id, group] as const] : []
  })
  return gather(pairs.sort(([, a], [, b]) => (a.name < b.name ? -1 : 1)))
}

function gather<T>(pairs: readonly (readonly [string, T])[]): ReadonlyMap<string, T[]> {
  const lists = new Map<string, T[]>()
  for (const [id, each] of pairs) {
    const list = lists.get(id)
    if (!list) lists.set(id, [each])
    else if (!list.includes(each)) list.push(each)
  }
  return lists
}

function withKeys(owner: {
  consumer: Consumer
  credential: JwtSecret & Credential
}): TokenKeyOwner {
  const { algorithm, secret } = owner.credential
  if (algorithm.startsWith('HS')) {
    const [key, decodedKey] = [Buffer.from(secret), fromBase64(secret)].map(secretKey)
    return { ...owner, key, decodedKey }
  }
  return { ...owner, key: readPublicKey(owner.credential), decodedKey: undefined }
}

function secretKey(bytes: Buffer): KeyObject | undefined {
  // An empty secret is known to everybody.
  return bytes.length > 0 ? createSecretKey(bytes) : undefined
}

/** The bytes of Base64 in either alphabet; none if it is not Base64. */
function fromBase64(text: string): Buffer {
  return Buffer.from(/^[\w+/-]+={0,2}$/.test(text) ? text : '', 'base64')
}
