export { acl, type Acl } from './acl.ts'
export { basicauth_credential, type BasicauthCredential } from './basicauth_credential.ts'
export { ca_certificate, type CaCertificate } from './ca_certificate.ts'
export { certificate, type Certificate } from './certificate.ts'
export { consumer, type Consumer } from './consumer.ts'
export {
  consumer_group,
  consumer_group_consumer,
  type ConsumerGroup,
  type ConsumerGroupConsumer,
} from './consumer_group.ts'
export { hmacauth_credential, type HmacauthCredential } from './hmacauth_credential.ts'
export { jwt_secret, type JwtSecret } from './jwt_secret.ts'
export { key, key_set, type Key, type KeySet } from './key.ts'
export { keyauth_credential, type KeyauthCredential } from './keyauth_credential.ts'
export { mtls_auth_credential, type MtlsAuthCredential } from './mtls_auth_credential.ts'
export {
  oauth2_credential,
  oauth2_token,
  type Oauth2Credential,
  type Oauth2Token,
} from './oauth2_credential.ts'
export { partial, type Partial } from './partial.ts'
export { plugin, type PluginEntity } from './plugin.ts'
export { route, type Route } from './route.ts'
export { service, type Service } from './service.ts'
export { sni, type Sni } from './sni.ts'
export { target, type Target } from './target.ts'
export { upstream, type Upstream } from './upstream.ts'
export { vault, type Vault } from './vault.ts'
