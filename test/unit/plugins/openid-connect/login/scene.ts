import { createHash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { SignJWT } from 'jose'
import type { ClientRequest, OutboundRequest } from '../../../../../src/pdk.ts'
import { FORM, readBodyArguments } from '../../../../../src/plugins/arguments.ts'
import {
  createLogin,
  type Finished,
} from '../../../../../src/plugins/openid-connect/login/index.ts'
import { createOccasions } from '../../../../../src/plugins/openid-connect/occasion.ts'
import { createIdentityProvider } from '../../../../../src/plugins/openid-connect/provider.ts'
import { withDefaults } from '../../../../../src/plugins/openid-connect/schema.ts'
import { type Sent, TestContext, testGateway } from '../../context.ts'
import { configure } from '../plugin.ts'
import { ISSUER, ScriptedProvider, type SigningKey } from '../provider.ts'

export const AUTHORIZE = `${ISSUER}/authorize`
export const PUSH = `${ISSUER}/push`
export const END_SESSION = `${ISSUER}/end`

/** A provider that logs users in, and does as it is told. */
export class LoginProvider extends ScriptedProvider {
  /** Members that are laid over its metadata; `undefined` takes one away. */
  metadata: Record<string, unknown> = {}
  /** The forms that were handed in (PAR). */
  readonly pushed: Record<string, string>[] = []
  /** The forms that were sent to revoke tokens. */
  readonly revoked: Record<string, string>[] = []
  readonly codes = new Map<string, Record<string, string>>()

  constructor(key: SigningKey) {
    super(key)
    this.instead['/.well-known/openid-configuration'] = () => ({
      json: {
        issuer: ISSUER,
        authorization_endpoint: AUTHORIZE,
        token_endpoint: `${ISSUER}/token`,
        jwks_uri: `${ISSUER}/keys`,
        end_session_endpoint: END_SESSION,
        revocation_endpoint: `${ISSUER}/revoke`,
        pushed_authorization_request_endpoint: PUSH,
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
        ...this.metadata,
      },
    })
  }

  /** For a gateway, in the place of `fetch`. */
  readonly serve = async (url: string, request: OutboundRequest): Promise<Response> => {
    const form = Object.fromEntries(new URLSearchParams(request.body))
    const json = (value: unknown, status: number) =>
      new Response(JSON.stringify(value), {
        status,
        headers: { 'content-type': 'application/json' },
      })
    if (url === PUSH) {
      this.pushed.push(form)
      return json({ request_uri: `urn:pushed:${this.pushed.length}`, expires_in: 60 }, 201)
    }
    if (url === `${ISSUER}/revoke`) {
      this.revoked.push(form)
      return json({}, 200)
    }
    if (url === `${ISSUER}/token` && form.grant_type === 'authorization_code') {
      this.requests.push('POST code')
      await this.gate
      const asked = this.codes.get(form.code ?? '')
      this.codes.delete(form.code ?? '')
      const verified = createHash('sha256').update(form.code_verifier ?? '')
      const fits =
        asked?.redirect_uri === form.redirect_uri &&
        (asked?.code_challenge ?? null) ===
          (form.code_verifier === undefined ? null : verified.digest('base64url'))
      if (!asked || !fits) return json({ error: 'invalid_grant' }, 400)
      const access_token = await this.accessToken()
      const id_token = await this.idToken({ nonce: asked.nonce })
      const refresh_token = this.refreshToken()
      return json(
        { access_token, id_token, refresh_token, token_type: 'Bearer', expires_in: 300 },
        200,
      )
    }
    return this.fetch(url, request)
  }

  /** What it sends back for an authorization request: a new code. */
  answer(url: string, over: Record<string, string | undefined> = {}): URLSearchParams {
    const asked = Object.fromEntries(new URL(url).searchParams)
    const code = `code-${this.codes.size + 1}-${asked.state}`
    this.codes.set(code, asked)
    const all = { code, state: asked.state, iss: ISSUER, session_state: 'xyz', ...over }
    return new URLSearchParams(
      Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
  }

  /** Signs what it says, in a mode of JARM or to log somebody out. */
  sign(claims: JWTPayload, { typ = 'JWT', key = this.key } = {}): Promise<string> {
    return new SignJWT(JSON.parse(JSON.stringify(claims)) as JWTPayload)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ })
      .sign(key.privateKey)
  }

  get seconds(): number {
    return Math.floor(this.now / 1000)
  }
}

/** Where a request goes beside what a test says of any. */
export interface Asked extends Sent {
  readonly path?: string
  readonly host?: string
  readonly port?: number
  readonly scheme?: string
  readonly isPeerTrusted?: boolean
}

/** A request with the cookies of a jar. */
export function requestOf(jar: ReadonlyMap<string, string>, asked: Asked = {}): TestContext {
  const { path = '/shop', host, port, scheme, isPeerTrusted, headers = [], ...sent } = asked
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const all: (readonly [string, string])[] = [...headers]
  if (cookie !== '') all.push(['Cookie', cookie])
  const ctx = new TestContext({ ...sent, headers: all })
  Object.assign(ctx.request, {
    rawPath: path,
    path,
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(scheme !== undefined && { scheme }),
    ...(isPeerTrusted !== undefined && { isPeerTrusted }),
  })
  return ctx
}

/** Keeps cookies as a browser does. */
export function keep(jar: Map<string, string>, cookies: readonly string[]): void {
  for (const cookie of cookies) {
    const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(cookie) ?? []
    if (cookie.includes('Max-Age=0')) jar.delete(name)
    else jar.set(name, value)
  }
}

/** A plugin's logins, and a browser before them. */
export class LoginScene {
  readonly jar = new Map<string, string>()
  readonly config
  readonly gateway
  readonly identityProvider
  readonly login
  readonly occasions

  constructor(
    idp: LoginProvider,
    config: Record<string, unknown> = {},
    gateway = testGateway({ fetch: idp.serve, now: () => idp.now }),
  ) {
    this.config = withDefaults(
      configure({
        client_id: ['kong'],
        client_secret: ['kong-secret'],
        auth_methods: ['authorization_code', 'session'],
        ...config,
      }),
    )
    this.gateway = gateway
    this.identityProvider = createIdentityProvider(this.config, gateway)
    this.occasions = createOccasions(this.identityProvider.clients, this.identityProvider.passing)
    this.login = createLogin(this.config, this.identityProvider, gateway)
  }

  /** Begins a login; gives where the browser is sent. */
  async begin(asked: Asked = {}, jar = this.jar): Promise<URL> {
    const { request } = requestOf(jar, asked)
    const { exit, cookies } = await this.login.begin(request, this.occasions.of(request))
    if (exit.status !== 302) throw new Error(`it was answered with ${exit.status}`)
    keep(jar, cookies)
    return new URL(exit.headers.find(([name]) => name === 'Location')![1])
  }

  /** Brings an answer back, as a query or a form. */
  async finish(
    answer: URLSearchParams | string,
    {
      asForm = false,
      jar = this.jar,
      ...asked
    }: Asked & { asForm?: boolean; jar?: Map<string, string> } = {},
  ): Promise<(Finished & { readonly ctx: TestContext }) | undefined> {
    const text = String(answer)
    const ctx = requestOf(
      jar,
      asForm
        ? { ...asked, method: 'POST', body: text, headers: [['Content-Type', FORM]] }
        : { ...asked, query: text },
    )
    const place = this.login.placeOfAnswer(ctx.request)
    if (place === undefined) return undefined
    const form = place === 'body' ? await readBodyArguments(ctx.request) : undefined
    const finished = await this.login.finish(ctx.request as ClientRequest, form)
    if (finished) keep(jar, finished.cookies)
    return finished && { ...finished, ctx }
  }
}
