import { createHash } from 'node:crypto'
import type { JWK } from 'jose'
import type { OutboundRequest } from '../../../../../src/pdk.ts'
import type { SigningKey } from '../provider.ts'

/** An answer of the provider. */
export interface Reply {
  readonly status?: number
  readonly json?: unknown
  /** Instead of JSON. */
  readonly text?: string
  readonly headers?: Record<string, string>
}

type Place = 'discovery' | 'keys' | 'token' | 'introspect' | 'userinfo' | 'push' | 'revoke'
type Form = Readonly<Record<string, string>>

/** What is laid over the claims and the header of a token; `undefined` takes a member away. */
export type Over = Readonly<Record<string, unknown>>

const SECRET_ARGUMENTS = [
  ...['client_secret', 'client_assertion', 'code', 'code_verifier', 'password'],
  ...['refresh_token', 'subject_token', 'token'],
]

/** An identity provider that does all as it should, but for what a test has it do wrong. */
export class HostileProvider {
  readonly issuer: string
  readonly key: SigningKey
  /** The keys that it publishes. */
  keys: unknown
  /** The clock of the gateway under test; milliseconds. */
  now = Date.parse('2026-01-01T00:00:00Z')
  /** What it was asked, as `METHOD url`. */
  readonly asked: string[] = []
  /** All that must not be seen in any log or answer. */
  readonly secrets = new Set<string>()
  /** Laid over its metadata. */
  metadata: Over = {}
  /** Laid over the claims and the header of each ID token; `signer` signs it. */
  claims: Over = {}
  header: Over = {}
  signer: SigningKey
  /** What is done to a finished ID token. */
  twist = (token: string): string => token
  /** Replaces the right answer at a place. */
  breaks: Partial<Record<Place, (right: Reply, form: Form) => Reply | Promise<Reply>>> = {}
  /** Whether it checks that a code is redeemed with the verifier of its challenge. */
  checksPkce = true
  user: Over = { sub: 'alex' }
  readonly forms: Form[] = []
  readonly #codes = new Map<string, Form>()
  readonly #refreshTokens = new Set<string>()
  #count = 0

  constructor(key: SigningKey, issuer = 'https://provider.test/realms/one') {
    this.key = key
    this.signer = key
    this.issuer = issuer
    this.keys = [key.jwk]
  }

  get seconds(): number {
    return Math.floor(this.now / 1000)
  }

  pass(seconds: number): void {
    this.now += seconds * 1000
  }

  readonly fetch = async (url: string, request: OutboundRequest): Promise<Response> => {
    this.asked.push(`${request.method ?? 'GET'} ${url}`)
    const form = Object.fromEntries(new URLSearchParams(request.body))
    for (const name of SECRET_ARGUMENTS) if (form[name]) this.secrets.add(form[name])
    const place = this.#placeOf(url)
    const right = await this.#answer(place, form, request)
    const wrong = this.breaks[place]
    const { status = 200, json, text, headers } = wrong ? await wrong(right, form) : right
    return new Response(text ?? JSON.stringify(json), {
      status,
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  /** What it sends the browser back with, for an authorization request. */
  authorize(url: string, over: Over = {}): URLSearchParams {
    const asked = Object.fromEntries(new URL(url).searchParams)
    const code = this.#secret('code')
    this.#codes.set(code, asked)
    return argumentsOf({ code, state: asked.state, iss: this.issuer, ...over })
  }

  /** The same in one signed text (JARM). */
  async authorizeSigned(url: string, over: Over = {}, header: Over = {}, key = this.key) {
    const answer = Object.fromEntries(this.authorize(url))
    const claims = { ...answer, aud: 'kong', exp: this.seconds + 60, ...over }
    const response = await sign({ alg: key.alg, kid: key.kid, ...header }, claims, key)
    return new URLSearchParams({ response })
  }

  async accessToken(over: Over = {}, header: Over = {}, key = this.key): Promise<string> {
    const usual = {
      iss: this.issuer,
      sub: 'alex',
      scope: 'openid',
      iat: this.seconds,
      exp: this.seconds + 300,
      jti: `t${++this.#count}`,
    }
    const head = { alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header }
    return this.#hide(await sign(head, { ...usual, ...over }, key))
  }

  async idToken(over: Over, access_token?: string): Promise<string> {
    const claims = {
      iss: this.issuer,
      sub: 'alex',
      aud: 'kong',
      iat: this.seconds,
      exp: this.seconds + 300,
      ...(access_token !== undefined && { at_hash: leftHalf(access_token) }),
      ...over,
      ...this.claims,
    }
    const head = { alg: this.signer.alg, kid: this.signer.kid, typ: 'JWT', ...this.header }
    return this.#hide(this.twist(await sign(head, claims, this.signer)))
  }

  async #answer(place: Place, form: Form, request: OutboundRequest): Promise<Reply> {
    const { issuer } = this
    switch (place) {
      case 'discovery':
        return {
          json: {
            issuer,
            authorization_endpoint: `${issuer}/authorize`,
            token_endpoint: `${issuer}/token`,
            jwks_uri: `${issuer}/keys`,
            introspection_endpoint: `${issuer}/introspect`,
            userinfo_endpoint: `${issuer}/userinfo`,
            revocation_endpoint: `${issuer}/revoke`,
            end_session_endpoint: `${issuer}/end`,
            pushed_authorization_request_endpoint: `${issuer}/push`,
            code_challenge_methods_supported: ['S256'],
            authorization_response_iss_parameter_supported: true,
            ...this.metadata,
          },
        }
      case 'keys':
        return { json: { keys: this.keys } }
      case 'token':
        this.forms.push(form)
        return this.#grant(form)
      case 'introspect':
        return { json: { active: true, sub: 'alex', scope: 'openid', exp: this.seconds + 300 } }
      case 'userinfo': {
        const [, token = ''] = (new Headers(request.headers).get('authorization') ?? '').split(' ')
        if (token) this.secrets.add(token)
        return { json: this.user }
      }
      case 'push':
        this.#codes.set(`urn:${++this.#count}`, form)
        return { status: 201, json: { request_uri: `urn:${this.#count}`, expires_in: 60 } }
      case 'revoke':
        return { json: {} }
    }
  }

  async #grant(form: Form): Promise<Reply> {
    const refused = { status: 400, json: { error: 'invalid_grant' } }
    const { grant_type, code = '', code_verifier = '', refresh_token = '' } = form
    if (grant_type === 'client_credentials') return this.#tokens(undefined)
    if (grant_type === 'password')
      return form.username === 'alex' && form.password === 'doe-of-alex'
        ? this.#tokens({})
        : refused
    if (grant_type === 'refresh_token')
      return this.#refreshTokens.delete(refresh_token) ? this.#tokens({}) : refused
    const asked = this.#codes.get(code)
    this.#codes.delete(code)
    const challenge = createHash('sha256').update(code_verifier).digest('base64url')
    const isBound = !this.checksPkce || asked?.code_challenge === challenge
    if (!asked || asked.redirect_uri !== form.redirect_uri || !isBound) return refused
    return this.#tokens({ nonce: asked.nonce })
  }

  async #tokens(claims: Over | undefined): Promise<Reply> {
    const access_token = await this.accessToken()
    const usual = { access_token, token_type: 'Bearer', expires_in: 300 }
    if (!claims) return { json: usual }
    const refresh_token = this.#secret('refresh')
    this.#refreshTokens.add(refresh_token)
    const id_token = await this.idToken(claims, access_token)
    return { json: { ...usual, refresh_token, id_token } }
  }

  /** A refresh token that it will take once. */
  refreshToken(): string {
    const token = this.#secret('refresh')
    this.#refreshTokens.add(token)
    return token
  }

  #placeOf(url: string): Place {
    const { pathname } = new URL(url)
    if (pathname.includes('.well-known')) return 'discovery'
    const places: readonly Place[] = ['keys', 'token', 'introspect', 'userinfo', 'push', 'revoke']
    const place = places.find((each) => pathname.endsWith(`/${each}`))
    if (!place) throw new Error(`nobody is at ${url}`)
    return place
  }

  #secret(what: string): string {
    // None can be made of another by a small change.
    const hash = createHash('sha256').update(`${what} ${++this.#count} ${this.issuer}`)
    return this.#hide(`${what}-secret-${hash.digest('hex').slice(0, 20)}`)
  }

  #hide(secret: string): string {
    this.secrets.add(secret)
    return secret
  }
}

/** What a client of several providers reaches: each at its own origin, and nobody elsewhere. */
export function network(...providers: readonly HostileProvider[]): HostileProvider['fetch'] {
  return async (url, request) => {
    const provider = providers.find(({ issuer }) => url.startsWith(new URL(issuer).origin))
    if (!provider) throw new Error(`nobody is at ${url}`)
    return provider.fetch(url, request)
  }
}

/** A compact JWS, whatever header and payload say. */
export async function sign(header: Over, payload: unknown, key: SigningKey): Promise<string> {
  const text = `${encode(header)}.${typeof payload === 'string' ? base64url(payload) : encode(payload)}`
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  const bytes = await crypto.subtle.sign(algorithm, key.privateKey, new TextEncoder().encode(text))
  return `${text}.${Buffer.from(bytes).toString('base64url')}`
}

export function encode(value: unknown): string {
  return base64url(JSON.stringify(value))
}

export function base64url(text: string | Uint8Array): string {
  return Buffer.from(text).toString('base64url')
}

/** The hash of a token by which an ID token names it, for ES256. */
export function leftHalf(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
}

function argumentsOf(members: Over): URLSearchParams {
  const args = new URLSearchParams()
  for (const [name, value] of Object.entries(members))
    if (value !== undefined) args.set(name, String(value))
  return args
}

/** The type of the keys that are published, for tests that lay something over one. */
export type Jwk = JWK
