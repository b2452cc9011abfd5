import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { OutboundRequest } from '../../../../src/pdk.ts'

export const ISSUER = 'http://provider.test/realms/master'

/** A key pair for signing, made once for all tests of a file: it takes a while. */
export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

interface Answer {
  readonly status?: number
  readonly json?: unknown
  readonly text?: string
  readonly headers?: Record<string, string>
}

/** One call of the token endpoint: the form that was sent, and who sent it. */
export interface TokenCall {
  readonly form: URLSearchParams
  readonly headers: Headers
}

/**
 * An identity provider that does as it is told: for what a real one cannot be made to do. Refresh tokens are for one
 * use; a second use is counted and refused.
 */
export class ScriptedProvider {
  readonly key: SigningKey
  /** The keys it publishes. */
  jwks: JWK[]
  /** The clock of the gateway under test; milliseconds. */
  now = Date.parse('2026-01-01T00:00:00Z')
  /** Everything asked of it, as `METHOD path`. */
  readonly requests: string[] = []
  /** The forms that introspection was asked with. */
  readonly introspections: Record<string, string>[] = []
  readonly tokenCalls: TokenCall[] = []
  /** How often a spent refresh token was presented. */
  reuses = 0
  rotates = true
  /** Members that are laid over each token response; `undefined` takes one away. */
  over: Record<string, unknown> = {}
  /** Claims that are laid over those of each access token. */
  claims: Record<string, unknown> = {}
  /** What is answered instead, by the end of the path. */
  instead: Record<string, (() => Answer | Promise<Answer>) | undefined> = {}
  /** What the token endpoint waits for before it answers. */
  gate: Promise<unknown> = Promise.resolve()
  password = 'doe'
  /** What introspection tells of tokens; of any other that it is not active. */
  introspected: Record<string, Record<string, unknown>> = {}
  /** The user info of access tokens; for any other it is a 401. */
  users: Record<string, Record<string, unknown>> = {}
  accessTokenLife = 300
  #count = 0
  readonly #spent = new Set<string>()
  readonly #valid = new Set<string>()

  constructor(key: SigningKey) {
    this.key = key
    this.jwks = [key.jwk]
  }

  readonly fetch = async (url: string, request: OutboundRequest): Promise<Response> => {
    const { pathname } = new URL(url)
    this.requests.push(`${request.method ?? 'GET'} ${pathname}`)
    const instead = Object.entries(this.instead).find(([end]) => pathname.endsWith(end))?.[1]
    const answer = instead ? await instead() : await this.#answer(pathname, request)
    const body = answer.text ?? JSON.stringify(answer.json)
    const headers = { 'content-type': 'application/json', ...answer.headers }
    return new Response(body, { status: answer.status ?? 200, headers })
  }

  /** How often a path with that end was asked for. */
  asked(end: string): number {
    return this.requests.filter((each) => each.endsWith(end)).length
  }

  /** How often the token endpoint was asked. */
  get calls(): number {
    return this.tokenCalls.length
  }

  get lastForm(): Record<string, string> {
    return Object.fromEntries(this.tokenCalls.at(-1)?.form ?? [])
  }

  /** Lets time pass on the clock that gateway and provider share. */
  pass(seconds: number): void {
    this.now += seconds * 1000
  }

  async accessToken(claims: Record<string, unknown> = {}, key = this.key): Promise<string> {
    const seconds = Math.floor(this.now / 1000)
    const usual = {
      iss: ISSUER,
      sub: 'alex-id',
      scope: 'openid email',
      iat: seconds,
      exp: seconds + this.accessTokenLife,
      jti: `t${++this.#count}`,
    }
    const all = { ...usual, ...this.claims, ...claims }
    return new SignJWT(JSON.parse(JSON.stringify(all)) as Record<string, unknown>)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
      .sign(key.privateKey)
  }

  /** An ID token for the client `kong`. */
  async idToken(claims: Record<string, unknown> = {}, key = this.key): Promise<string> {
    const token = await this.accessToken({ aud: 'kong', ...claims }, key)
    const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    return new SignJWT(payload as Record<string, unknown>)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT' })
      .sign(key.privateKey)
  }

  refreshToken(): string {
    const token = `refresh-${++this.#count}`
    this.#valid.add(token)
    return token
  }

  /** Takes back every refresh token that is out. */
  revoke(): void {
    this.#valid.clear()
  }

  async #answer(path: string, request: OutboundRequest): Promise<Answer> {
    if (path.endsWith('/.well-known/openid-configuration')) {
      const json = {
        issuer: ISSUER,
        token_endpoint: `${ISSUER}/token`,
        jwks_uri: `${ISSUER}/keys`,
        introspection_endpoint: `${ISSUER}/introspect`,
        userinfo_endpoint: `${ISSUER}/userinfo`,
        token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic'],
      }
      return { json }
    }
    if (path.endsWith('/keys')) return { json: { keys: this.jwks } }
    if (path.endsWith('/token')) {
      const form = new URLSearchParams(request.body)
      this.tokenCalls.push({ form, headers: new Headers(request.headers) })
      await this.gate
      return this.#grant(form)
    }
    if (path.endsWith('/introspect')) {
      const form = Object.fromEntries(new URLSearchParams(request.body))
      this.introspections.push(form)
      await this.gate
      const told = this.introspected[form.token ?? '']
      return { json: told ? { active: true, ...told } : { active: false } }
    }
    if (path.endsWith('/userinfo')) {
      const [, token = ''] = (new Headers(request.headers).get('authorization') ?? '').split(' ')
      const user = this.users[token]
      return user ? { json: user } : { status: 401, json: { error: 'invalid_token' } }
    }
    return { status: 404, json: {} }
  }

  async #grant(form: URLSearchParams): Promise<Answer> {
    const refused = { status: 400, json: { error: 'invalid_grant', error_description: 'no' } }
    const seconds = { expires_in: this.accessTokenLife }
    switch (form.get('grant_type')) {
      case 'password':
        if (form.get('password') !== this.password) return refused
        return this.#tokens({ ...seconds, refresh_token: this.refreshToken() })
      case 'client_credentials':
        return this.#tokens(seconds)
      case 'refresh_token': {
        const presented = form.get('refresh_token') ?? ''
        if (this.#spent.has(presented)) this.reuses++
        if (!this.#valid.has(presented)) return refused
        if (!this.rotates) return this.#tokens(seconds)
        this.#valid.delete(presented)
        this.#spent.add(presented)
        return this.#tokens({ ...seconds, refresh_token: this.refreshToken() })
      }
    }
    return { status: 400, json: { error: 'unsupported_grant_type' } }
  }

  async #tokens(members: Record<string, unknown>): Promise<Answer> {
    const access_token = await this.accessToken()
    return { json: { access_token, token_type: 'Bearer', ...members, ...this.over } }
  }
}
