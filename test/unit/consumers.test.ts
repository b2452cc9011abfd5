import { expect, test } from 'bun:test'
import { indexConsumers } from '../../src/consumers.ts'
import { hashPassword } from '../../src/entities/password.ts'

const ann = { id: 'a', username: 'ann' }
const bob = { id: 'b', username: 'bob' }
const entities = {
  consumers: [ann, bob],
  mtls_auth_credentials: [],
  oauth2_credentials: [{ id: '11', consumer: ann, client_id: 'app' } as never],
  oauth2_tokens: [
    {
      id: '12',
      credential: { id: '11' },
      access_token: 'given',
      refresh_token: 'again',
      expires_in: 0,
    } as never,
    { id: '13', credential: { id: 'gone' }, access_token: 'of nobody', expires_in: 0 } as never,
  ],
  acls: [
    { id: '1', consumer: ann, group: 'z' },
    { id: '2', consumer: bob, group: 'x' },
    { id: '3', consumer: ann, group: 'y' },
    { id: '4', consumer: ann, group: 'z' },
  ],
  consumer_groups: [
    { id: 'g1', name: 'silver' },
    { id: 'g2', name: 'gold' },
  ],
  consumer_group_consumers: [
    { id: '5', consumer: ann, consumer_group: { id: 'g1' } },
    { id: '6', consumer: ann, consumer_group: { id: 'g2' } },
  ],
  keyauth_credentials: [
    { id: '7', consumer: bob, key: 'k' },
    { id: '14', consumer: bob, key: 'of today', ttl: 1_800_000_000 },
  ],
  basicauth_credentials: [
    { id: '8', consumer: bob, username: 'bobby', password: hashPassword('kong', 'b') },
  ],
  jwt_secrets: [
    { id: '9', consumer: ann, key: 'text', algorithm: 'HS256', secret: 'c2VjcmV0' },
    { id: '10', consumer: ann, key: 'no base64', algorithm: 'HS256', secret: '***' },
    {
      id: '11',
      consumer: ann,
      key: 'no key',
      algorithm: 'RS256',
      secret: 's',
      rsa_public_key: 'x',
    },
    { id: '12', consumer: { id: 'gone' }, key: 'nobody’s', algorithm: 'HS256', secret: 's' },
  ],
} as unknown as Parameters<typeof indexConsumers>[0]
const consumers = indexConsumers(entities)

test('a consumer is found by id and by username', () => {
  expect(consumers.find('a')).toBe(ann as never)
  expect(consumers.find('bob')).toBe(bob as never)
  expect(consumers.find('eve')).toBeUndefined()
})

test('the owners of keys and names are found, and what the service is told of them', () => {
  expect(consumers.findByKey('k')).toMatchObject({ consumer: bob, credential: { id: '7' } })
  expect(consumers.findByKey('bobby')).toBeUndefined()
  const owner = consumers.findByUsername('bobby')
  expect(owner).toMatchObject({ consumer: bob, credential: { id: '8', identifier: 'bobby' } })
  expect(consumers.findByUsername('bob')).toBeUndefined()
})

test('a consumer is found by each of its names, a group by its own, an application by its tokens', () => {
  expect(consumers.findBy('id', 'b')).toBe(bob as never)
  expect(consumers.findBy('username', 'BOB')).toBeUndefined()
  expect(consumers.findByUsernameInAnyCase('BOB')).toBe(bob as never)
  expect(consumers.findBy('custom_id', 'b')).toBeUndefined()
  expect(consumers.findGroup('gold')).toMatchObject({ id: 'g2' })
  expect(consumers.findByAccessToken('given')).toMatchObject({
    consumer: ann,
    credential: { id: '11' },
    token: { id: '12' },
  })
  expect(consumers.findByAccessToken('of nobody')).toBeUndefined()
  expect(consumers.findByRefreshToken('again')).toMatchObject({ token: { id: '12' } })
  expect(consumers.findByRefreshToken('given')).toBeUndefined()
  const application = { consumer: ann, credential: { id: '11', identifier: 'app' } }
  expect(consumers.findByClientId('app')).toMatchObject(application)
  expect(consumers.findByClientId('11')).toBeUndefined()
})

test('a password is its owner’s alone', () => {
  const owner = consumers.findByUsername('bobby')
  expect(consumers.isPassword(owner, 'kong')).toBe(true)
  expect(consumers.isPassword(owner, 'Kong')).toBe(false)
  for (const password of ['kong', '']) expect(consumers.isPassword(undefined, password)).toBe(false)
})

test('secrets of HMAC are keys as they are and, where they can be, as Base64', () => {
  const text = consumers.findByTokenKey('text')
  expect(text?.key?.export().toString()).toBe('c2VjcmV0')
  expect(text?.decodedKey?.export().toString()).toBe('secret')
  expect(text?.credential.identifier).toBe('text')
  expect(consumers.findByTokenKey('no base64')?.decodedKey).toBeUndefined()
})

test('a key that cannot be used is none, and who owns nothing is not found', () => {
  expect(consumers.findByTokenKey('no key')).toMatchObject({
    key: undefined,
    decodedKey: undefined,
  })
  expect(consumers.findByTokenKey('nobody’s')).toBeUndefined()
})

test('groups stand in the order of the file, consumer groups in that of the alphabet, each once', () => {
  expect(consumers.groupsOf(ann as never)).toEqual(['z', 'y'])
  expect(consumers.consumerGroupsOf(ann as never)).toEqual(['gold', 'silver'])
  expect(consumers.groupsOf(ann as never)).toBe(consumers.groupsOf(ann as never))
  expect(consumers.consumerGroupsOf(bob as never)).toEqual([])
})

test('a key with a ttl is valid until that moment, as in Kong without a database', () => {
  let now = 1_799_999_999_999
  const { findByKey } = indexConsumers(entities, () => now)
  expect(findByKey('of today')?.consumer.id).toBe('b')
  now++
  expect(findByKey('of today')).toBeUndefined()
  expect(findByKey('k')?.consumer.id).toBe('b')
})
