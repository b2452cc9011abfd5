import { generateKeyPairSync, sign } from 'node:crypto'
import { type Location, spawnNginx } from './servers.ts'

/** A provider that gives everybody the same answers. */
export interface FixedProvider {
  readonly issuer: string
  readonly client: { readonly id: string; readonly secret: string }
  readonly tokenEndpoint: string
  /** A token that only introspection can tell anything of. */
  readonly opaqueToken: string
  stop(): Promise<void>
}

const CLIENT = { id: 'bench', secret: 'what-the-client-and-the-provider-know' }
/** Seconds that tokens last: longer than any run. */
const LIFE = 86_400

/**
 * Starts a provider that is nginx with a file's worth of answers, since a real one would need most of the machine: its
 * tokens are signed here, once, so that whoever gets them has to verify them each time. The ID token has no nonce.
 */
export async function startFixedProvider(folder: string, port: number): Promise<FixedProvider> {
  const issuer = `http://127.0.0.1:${port}/`
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kid = 'bench'
  const iat = Math.floor(Date.now() / 1000)
  const common = { iss: issuer, sub: '248289761001', iat, exp: iat + LIFE, sid: 'e7c1b0a2-5d3f' }
  const jwt = (claims: object) => {
    const parts = [
      { alg: 'RS256', typ: 'JWT', kid },
      { ...common, ...claims },
    ]
    const input = parts
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
  }
  // About 1.5 kB of tokens together.
  const tokens = {
    access_token: jwt({ aud: 'service', azp: CLIENT.id, scope: 'openid profile email' }),
    id_token: jwt({ aud: CLIENT.id, preferred_username: 'alex', email: 'alex@example.com' }),
    refresh_token: 'a1b2c3d4'.repeat(16),
    token_type: 'Bearer',
    expires_in: LIFE,
  }
  const answers = {
    '.well-known/openid-configuration': {
      issuer,
      authorization_endpoint: `${issuer}authorize`,
      token_endpoint: `${issuer}token`,
      introspection_endpoint: `${issuer}introspect`,
      jwks_uri: `${issuer}jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      code_challenge_methods_supported: ['S256'],
    },
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
    token: tokens,
    introspect: { ...common, active: true, client_id: CLIENT.id, scope: 'openid profile email' },
  }
  const locations = Object.entries(answers).map(([path, answer]): Location => ({
    path: `= /${path}`,
    // Neither JSON nor Base64url has a quote of this kind.
    directives: `default_type application/json; return 200 '${JSON.stringify(answer)}';`,
  }))
  const { stop } = await spawnNginx(folder, { name: 'provider', port, locations, ready: '/jwks' })
  return {
    issuer,
    client: CLIENT,
    tokenEndpoint: `${issuer}token`,
    opaqueToken: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    stop,
  }
}
