import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { AccessContext, ClientRequest, Exit, Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import {
  type Argument,
  type BodyArguments,
  findArgument,
  removeArguments,
} from '../../arguments.ts'
import { addressOf, urlOf } from '../address.ts'
import { redirect } from '../answer.ts'
import type { TokenResponse } from '../calls.ts'
import type { Claims } from '../claims.ts'
import type { Client } from '../clients.ts'
import type { fields as endpoints } from '../endpoints.ts'
import { hashOf } from '../hash.ts'
import { issuersOf, parseIssuer } from '../issuer.ts'
import type { Metadata } from '../metadata.ts'
import type { Occasion } from '../occasion.ts'
import type { LoginExpectations } from '../prove.ts'
import type { IdentityProvider } from '../provider.ts'
import { quotable, Refusal } from '../refusal.ts'
import type { fields as requests } from '../relying_party.ts'
import type { SetCookies } from '../session/index.ts'
import {
  createVerification,
  type fields as verification,
  isSameIssuer,
  parseJws,
} from '../verify.ts'
import {
  ANSWER_ARGUMENTS,
  answerIn,
  type AuthorizationAnswer,
  isSignedMode,
  placeOfAnswer,
  readAnswer,
  SECRET_ANSWER_ARGUMENTS,
} from './answer.ts'
import type { fields } from './fields.ts'
import { type PendingLogin, PendingLogins } from './pending.ts'
import { createAuthorizationRequests } from './request.ts'

export { createLoginAction, type LoginAction } from './action.ts'
export { fields } from './fields.ts'
export { warningsOf } from './warnings.ts'

type Settings = Config<typeof fields & typeof endpoints & typeof requests & typeof verification> & {
  readonly issuer: string
  readonly cache_ttl: number
  readonly session_secret?: string | undefined
}

/** Logs browsers in: the authorization code flow (OpenID Connect Core §3.1). */
export interface Login {
  /** The names of its cookies, which no service is to see. */
  readonly cookieNames: readonly string[]
  /** The names of arguments of a query that no log is to show. */
  readonly secretArguments: readonly string[]
  /** Whether a request may bring the provider's answer, as far as its cookies, method and query tell; `body` if its form has to be read. */
  placeOfAnswer(request: ClientRequest): 'query' | 'body' | undefined
  /** Sends the browser to the provider. Throws `Refusal`. */
  begin(
    request: ClientRequest,
    occasion: Occasion,
  ): Promise<{ readonly exit: Exit; readonly cookies: SetCookies }>
  /**
   * Takes the provider's answer and redeems its code, once. Nothing if it answers no login that is under way, so that
   * the request goes on as any other. Throws `LoginRefusal`, and `Refusal`: `invalid_state` for an answer to a login
   * that was not begun here, which may as well be the application's own if the request brings a good session.
   */
  finish(request: ClientRequest, form: BodyArguments | undefined): Promise<Finished | undefined>
  /**
   * Takes the answer to a login of ours that is over, as of a page that is loaded anew, out of the request to the
   * service. Says whether there was one.
   */
  discard(ctx: AccessContext, form: BodyArguments | undefined): boolean
}

/** A login that has led to tokens, which are still to be proved. */
export interface Finished {
  readonly response: TokenResponse
  readonly expected: LoginExpectations & { readonly code: string }
  /** The position of the client. */
  readonly client: number
  /** The URL that began the login, with its query. */
  readonly returnTo: string
  /** This login is over; others that are under way stay. */
  readonly cookies: SetCookies
  /** Takes the answer out of the request to the service, and puts the query back that began the login, if `preserve_query_args` asks for it. */
  restore(ctx: AccessContext): void
}

/** A login that has failed; it is over. */
export class LoginRefusal extends Refusal {
  readonly cookies: SetCookies
  constructor({ code, message, cause }: Refusal, cookies: SetCookies) {
    super(code, message, cause)
    this.cookies = cookies
  }
}

/** Prepares logins. Asks nothing. */
export function createLogin(
  config: Settings,
  provider: IdentityProvider,
  gateway: Pick<Gateway, 'cache' | 'fetch' | 'log' | 'now' | 'secrets'>,
): Login {
  const { calls, clients, auths, discovery, passing } = provider
  const { response_mode, preserve_query_args } = config
  const issuer = parseIssuer(config.issuer)?.url.href ?? config.issuer
  const { now } = gateway
  const secrets = gateway.secrets('session', config.session_secret)
  const logins = new PendingLogins(config, { secrets, issuer, now })
  const requests = createAuthorizationRequests(
    config,
    { calls, auths, allowHttp: discovery.allowHttp },
    now,
  )
  // What the provider signs beside its tokens is judged, whatever becomes of the claims of those.
  const { verifier } = createVerification({ ...config, verify_claims: true }, provider, gateway)
  // In this process a state counts once, even for a browser that sends its cookie again.
  const spent = gateway.cache<true>('oidc:logins-spent')
  // Two tabs that begin at once overwrite each other's cookie: the one that lost begins again, it is no attacker.
  const begun = gateway.cache<true>('oidc:logins-begun')
  const life = config.authorization_rolling_timeout || 86_400

  /** The URL of a request, with its query, but for an answer to a login: that is over when it is come back to. */
  function returnUrlOf(request: ClientRequest): string {
    const url = urlOf(addressOf(request))
    const { query } = request
    const isAnswer =
      placeOfAnswer(request, response_mode) === 'query' &&
      (isSignedMode(response_mode) || looksLikeOurs(findArgument(query, 'state')))
    const kept = isAnswer ? removeArguments(query, ANSWER_ARGUMENTS) : query
    return kept === '' ? url : `${url}?${kept}`
  }

  /** The answer, of which with JARM nothing counts but what is signed. Throws `Refusal`. */
  async function open(answer: AuthorizationAnswer): Promise<AuthorizationAnswer> {
    if (!isSignedMode(response_mode)) return answer
    if (answer.response === undefined) {
      // A request that is faulty itself may be answered without a signature: there is nothing to be had by it.
      if (answer.error !== undefined && answer.code === undefined) return answer
      throw new Refusal('invalid_login_answer', 'the answer to a login is not signed')
    }
    const audience = clients.all.map(({ client_id }) => client_id)
    const expected = { kind: 'authorization response', strict: true, audience } as const
    const { claims } = await verifier.verify(answer.response, expected, true, clients.first)
    return answerIn(claims)
  }

  /** RFC 9207: whoever answers has to be the one who was asked. Throws `Refusal`. */
  function judgeIssuer({ iss }: AuthorizationAnswer, metadata: Metadata): void {
    if (!config.verify_claims) return
    if (iss === undefined) {
      if (metadata.authorization_response_iss_parameter_supported && !isSignedMode(response_mode))
        throw new Refusal('invalid_issuer', 'the answer to a login does not say whose it is')
      return
    }
    const issuers =
      config.issuers_allowed ?? issuersOf(metadata.issuer, config.authorization_endpoint)
    if (!issuers.some((each) => isSameIssuer(each, iss)))
      throw new Refusal(
        'invalid_issuer',
        `the answer to a login is of ${quotable(iss)}, expected: ${issuers.join(', ')}`,
      )
  }

  /** Redeems an answer to one of our logins. Throws `Refusal`. */
  async function redeem(
    answer: AuthorizationAnswer,
    login: PendingLogin,
    client: Client,
    from: { readonly request: ClientRequest; readonly form: BodyArguments | undefined },
  ): Promise<TokenResponse> {
    judgeIssuer(answer, await calls.metadata())
    const { code, error, error_description } = answer
    if (error !== undefined) {
      const words = error_description === undefined ? '' : `: ${quotable(error_description)}`
      throw new Refusal('login_refused', `the provider refused a login: ${quotable(error)}${words}`)
    }
    if (code === undefined || !/^[\x20-\x7e]{1,4096}$/.test(code))
      throw new Refusal('invalid_login_answer', 'the answer to a login has no code')
    const { redirect_uri, code_verifier } = login
    const passed = passing.of('token', from.request, from.form)
    return calls.authorization_code({ code, redirect_uri, code_verifier }, { client, passed })
  }

  return {
    cookieNames: [logins.name],
    secretArguments: SECRET_ANSWER_ARGUMENTS,

    placeOfAnswer(request) {
      const place = placeOfAnswer(request, response_mode)
      if (!place || logins.isIn(request)) return place
      // Once a login is over its cookie is gone, and only what stands in the query can be told from the application's own.
      return place === 'query' && isKnown(stateIn(request, undefined)) ? place : undefined
    },

    async begin(request, occasion) {
      const { client } = occasion
      if (!client) throw new Refusal('invalid_client', 'client_id is not set, which a login needs')
      const metadata = await calls.metadata()
      const code_verifier = requests.usesPkce(metadata) ? random(32) : undefined
      const login: PendingLogin = {
        state: random(18),
        nonce: random(18),
        ...(code_verifier !== undefined && { code_verifier }),
        redirect_uri: client.redirect_uri ?? urlOf(addressOf(request)),
        client_id: client.client_id,
        url: returnUrlOf(request),
        began: now(),
      }
      const cookies = logins.write(request, [login, ...logins.read(request).filter(isUnspent)])
      if (!cookies) throw new Refusal('login_too_long')
      const { redirect_uri, state, nonce } = login
      const code_challenge = code_verifier && challengeOf(code_verifier)
      const url = await requests.urlOf({ redirect_uri, state, nonce, code_challenge }, metadata, {
        client,
        passed: occasion.passed('authorization'),
      })
      begun.set(hashOf(state), true, life, 100)
      return { exit: redirect(url), cookies }
    },

    async finish(request, form) {
      const pending = logins.read(request)
      if (pending.length === 0) return undefined
      const answer = await open(readAnswer(request, form))
      const { state } = answer
      if (state === undefined) return undefined
      const login = pending.find((each) => isSame(each.state, state))
      const key = hashOf(state)
      if (!login || spent.get(key)) {
        if (isKnown(state) || !looksLikeOurs(state)) return undefined
        throw new Refusal('invalid_state')
      }
      // Before anything is waited for: of two requests with one answer the first redeems it.
      spent.set(key, true, life, 100)
      const client = clients.all.find(({ client_id }) => client_id === login.client_id)
      if (!client) return undefined
      const rest = pending.filter((each) => each !== login && isUnspent(each))
      // What was stored can be stored again.
      const cookies = logins.write(request, rest) ?? []
      try {
        const response = await redeem(answer, login, client, { request, form })
        const nonce = config.verify_nonce ? login.nonce : undefined
        return {
          response,
          expected: { nonce, code: answer.code ?? '' },
          client: client.index,
          returnTo: login.url,
          cookies,
          restore: (ctx) => restore(ctx, login, form),
        }
      } catch (error) {
        throw error instanceof Refusal ? new LoginRefusal(error, cookies) : error
      }
    },

    discard(ctx, form) {
      if (!isKnown(stateIn(ctx.request, form))) return false
      takeAnswerOut(ctx, form)
      return true
    },
  }

  /** The state of an answer, unproved. */
  function stateIn(request: ClientRequest, form: BodyArguments | undefined): unknown {
    const find = (name: string) => (form ? form.get(name) : findArgument(request.query, name))
    if (!isSignedMode(response_mode)) return find('state')
    const response = find('response')
    return typeof response === 'string' ? readClaims(response).state : undefined
  }

  /** Whether this process has given out a state. */
  function isKnown(state: unknown): boolean {
    if (typeof state !== 'string') return false
    const key = hashOf(state)
    return begun.get(key) !== undefined || spent.get(key) !== undefined
  }

  function isUnspent({ state }: PendingLogin): boolean {
    return spent.get(hashOf(state)) === undefined
  }

  function restore(ctx: AccessContext, login: PendingLogin, form: BodyArguments | undefined): void {
    takeAnswerOut(ctx, form)
    if (preserve_query_args) ctx.upstream.query = queryOf(login.url)
  }
}

function takeAnswerOut({ upstream }: AccessContext, form: BodyArguments | undefined): void {
  if (form) upstream.setBody(form.without(ANSWER_ARGUMENTS))
  else upstream.query = removeArguments(upstream.query, ANSWER_ARGUMENTS)
}

/** What a JWT says of itself, unproved; nothing for what is none. */
function readClaims(token: string): Claims {
  try {
    return parseJws(token, 'authorization response').claims
  } catch {
    return {}
  }
}

/** What follows `?` of a URL. */
function queryOf(url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}

/** Whether a state has the form of ours, so that it is no application's own. */
function looksLikeOurs(state: Argument): boolean {
  return typeof state === 'string' && /^[\w-]{24}$/.test(state)
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

function challengeOf(code_verifier: string): string {
  return createHash('sha256').update(code_verifier).digest('base64url')
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
