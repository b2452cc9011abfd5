import { expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import {
  acl,
  basicauth_credential,
  hmacauth_credential,
  jwt_secret,
  key,
  mtls_auth_credential,
  oauth2_credential,
} from '../../../src/entities/index.ts'
import { hashPassword, isPassword } from '../../../src/entities/password.ts'
import { check } from '../../../src/schema/check.ts'
import type { Field } from '../../../src/schema/field.ts'

const ID = '11111111-1111-4111-8111-111111111111'
const owned = { id: ID, consumer: { id: ID } }
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = publicKey.export({ type: 'spki', format: 'pem' })
const JWK = JSON.stringify({ ...publicKey.export({ format: 'jwk' }), kid: 'a' })

function faults(schema: Field, input: object): string[] {
  const { faults = [] } = check(schema, input)
  return faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const BY_ALGORITHM = ": failed conditional validation given value of field 'algorithm'"

// prettier-ignore
test.each<[string, Field, object, string[]]>([
  ['acls',                  acl,                  { ...owned },                                    ['group: required field missing']],
  ['basicauth_credentials', basicauth_credential, { id: ID, username: 'a' },                       ['consumer: required field missing', 'password: required field missing']],
  ['hmacauth_credentials',  hmacauth_credential,  { ...owned },                                    ['username: required field missing']],
  ['mtls_auth_credentials', mtls_auth_credential, { ...owned },                                    ['subject_name: required field missing']],
  ['jwt_secrets',           jwt_secret,           { ...owned },                                    []],
  ['jwt_secrets',           jwt_secret,           { ...owned, algorithm: 'none' },                 ['algorithm: expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, EdDSA']],
  ['jwt_secrets',           jwt_secret,           { ...owned, algorithm: 'RS256' },                ['rsa_public_key: required field missing', BY_ALGORITHM]],
  ['jwt_secrets',           jwt_secret,           { ...owned, algorithm: 'RS256', rsa_public_key: 'x' }, ['rsa_public_key: invalid key', BY_ALGORITHM]],
  ['jwt_secrets',           jwt_secret,           { ...owned, algorithm: 'RS256', rsa_public_key: PEM }, []],
  ['oauth2_credentials',    oauth2_credential,    { ...owned, name: 'a', redirect_uris: ['https://a.test/b', 'a', 'https://a.test/#b'] }, ["redirect_uris.1: cannot parse 'a'", "redirect_uris.2: fragment not allowed in 'https://a.test/#b'"]],
  ['keys',                  key,                  { id: ID, kid: 'a' },                            [": at least one of these fields must be non-empty: 'jwk', 'pem'"]],
  ['keys',                  key,                  { id: ID, kid: 'a', jwk: JWK },                  []],
  ['keys',                  key,                  { id: ID, kid: 'b', jwk: JWK },                  [': kid in jwk.kid must be equal to keys.kid']],
  ['keys',                  key,                  { id: ID, kid: 'a', jwk: '{' },                  [': could not json decode jwk string']],
  ['keys',                  key,                  { id: ID, kid: 'a', jwk: '{"kid":"a","kty":"EC"}' }, [': could not load JWK']],
  ['keys',                  key,                  { id: ID, kid: 'a', pem: {} },                   [': need to supply a PEM formatted public and/or private key.']],
  ['keys',                  key,                  { id: ID, kid: 'a', pem: { public_key: 'x' } },  ['pem.public_key: could not load public key']],
  ['keys',                  key,                  { id: ID, kid: 'a', pem: { public_key: PEM } },  []],
  ['keys',                  key,                  { id: ID, kid: 'a', jwk: JWK, pem: { public_key: PEM } }, [": only one or none of these fields must be set: 'jwk', 'pem'"]],
])('%s %#', (_, schema, input, messages) => {
  expect(faults(schema, input)).toEqual(messages)
})

test('a private key in PEM is one', () => {
  const pem = { private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }), public_key: PEM }
  expect(faults(key, { id: ID, kid: 'a', pem })).toEqual([])
})

test('what Kong draws is drawn, long and never the same', () => {
  const drawn = () => check(jwt_secret, owned).value!
  const [one, other] = [drawn(), drawn()]
  for (const text of [one.key, one.secret]) expect(text).toMatch(/^[A-Za-z0-9]{32}$/)
  expect(new Set([one.key, one.secret, other.key, other.secret]).size).toBe(4)
  expect(check(jwt_secret, { ...owned, key: 'mine' }).value?.key).toBe('mine')
})

test('a password is known by its hash, by the older one of Kong as well', () => {
  const kept = hashPassword('secret', ID)
  expect(kept).toMatch(/^[0-9a-f]{64}$/)
  expect(isPassword(kept, 'secret', ID)).toBe(true)
  expect(isPassword(kept, 'Secret', ID)).toBe(false)
  expect(isPassword(kept, 'secret', ID.replace('1', '2'))).toBe(false)
  const sha1 = new Bun.CryptoHasher('sha1').update(`secret${ID}`).digest('hex')
  expect(isPassword(sha1, 'secret', ID)).toBe(true)
  expect(isPassword(sha1, 'other', ID)).toBe(false)
  expect(isPassword('', 'secret', ID)).toBe(false)
})
