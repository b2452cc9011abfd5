import { randomBytes } from 'node:crypto'
import { type ClientRequest, type Exit, exit, type Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { type BodyArguments, findArguments, hasBodyArguments } from '../../arguments.ts'
import { addressOf } from '../address.ts'
import { redirect } from '../answer.ts'
import type { Client } from '../clients.ts'
import type { fields as endpoints } from '../endpoints.ts'
import { createEndpointUrls } from '../login/request.ts'
import { NOTHING } from '../passing.ts'
import type { Occasion } from '../occasion.ts'
import type { IdentityProvider } from '../provider.ts'
import { Refusal } from '../refusal.ts'
import type { fields as requests } from '../relying_party.ts'
import type { Session, SessionData, Sessions, SetCookies } from '../session/index.ts'
import type { fields as verification } from '../verify.ts'
import { createBackChannel } from './back_channel.ts'
import type { fields } from './fields.ts'
import { createFrontChannel } from './front_channel.ts'

export { fields } from './fields.ts'

type Settings = Config<typeof fields & typeof endpoints & typeof requests & typeof verification> & {
  readonly issuer: string
  readonly cache_ttl: number
}

/** Ends sessions, for their users and for the provider. */
export interface Logout {
  /** Whether any request can be one. */
  readonly isConfigured: boolean
  /** The names of arguments of a query that no log is to show. */
  readonly secretArguments: readonly string[]
  /** Whether a request asks for it, as far as its method, path and query tell; `body` if its arguments have to be read for that. */
  placeOf(request: ClientRequest): 'path' | 'query' | 'body' | undefined
  /** Whether the arguments of a body ask for it. */
  isInBody(body: BodyArguments): boolean
  /**
   * Ends the session and revokes its tokens, then sends the browser where the provider ends its own; or does what the
   * provider asks for by the front or the back channel. Throws `SessionError`.
   */
  perform(
    request: ClientRequest,
    session: Session | undefined,
    occasion: Occasion,
  ): Promise<{ readonly exit: Exit; readonly cookies: SetCookies }>
}

/** Prepares logouts; without `sessions` there are none to be ended, and tokens are not known. Asks nothing. */
export function createLogout(
  config: Settings,
  provider: IdentityProvider,
  sessions: Sessions | undefined,
  gateway: Pick<Gateway, 'cache' | 'fetch' | 'log' | 'now'>,
): Logout {
  const { calls, clients, discovery } = provider
  const { logout_uri_suffix: suffix, logout_query_arg, logout_post_arg } = config
  const methods: ReadonlySet<string> = new Set(config.logout_methods)
  const urls = createEndpointUrls(config, discovery.allowHttp)
  const frontChannel = createFrontChannel(sessions)
  const backChannel = createBackChannel(config, provider, sessions, gateway)
  const channels = [
    { method: 'GET', suffix: `${suffix}/frontchannel`, perform: frontChannel },
    { method: 'POST', suffix: `${suffix}/backchannel`, perform: backChannel },
  ] as const

  /** Which end of a path a request has, as the gateway sees it or as the client does. */
  function endsWith(request: ClientRequest, end: string): boolean {
    if (request.path.endsWith(end)) return true
    return request.isPeerTrusted && addressOf(request).path.endsWith(end)
  }

  function channelOf(request: ClientRequest): (typeof channels)[number] | undefined {
    if (suffix === undefined) return undefined
    return channels.find((each) => each.method === request.method && endsWith(request, each.suffix))
  }

  /** What is to be revoked of a session, and as what. */
  function tokensOf({ access_token, refresh_token }: SessionData) {
    const all = [
      ['refresh_token', config.logout_revoke_refresh_token, refresh_token],
      ['access_token', config.logout_revoke_access_token, access_token],
    ] as const
    return all.flatMap(([hint, isRevoked, token]) =>
      isRevoked && token !== undefined ? [{ hint, token }] : [],
    )
  }

  /** Takes the tokens of a session out of use. Whoever logs out is logged out, whether or not the provider hears of it. */
  async function revoke(data: SessionData, client: Client | undefined): Promise<void> {
    if (!config.logout_revoke) return
    for (const { hint, token } of tokensOf(data)) {
      try {
        await calls.revoke(token, hint, { client, passed: NOTHING })
      } catch (cause) {
        gateway.log.warn(`the ${hint} of a session was not revoked`, { code: codeOf(cause), cause })
      }
    }
  }

  /** Where the provider ends its own session (OpenID Connect RP-Initiated Logout 1.0 §2); nothing if it has no such place. */
  async function endSessionUrl(
    client: Client | undefined,
    id_token: string | undefined,
  ): Promise<string | undefined> {
    try {
      const metadata = await calls.metadata()
      if (metadata.end_session_endpoint === undefined) return undefined
      const url = urls.of('end_session_endpoint', metadata)
      const add = (name: string, value: string | undefined) => {
        if (value !== undefined) url.searchParams.append(name, value)
      }
      const goesOn = client?.logout_redirect_uri
      // The client's id serves where the session, and its ID token with it, is over already.
      add('client_id', client?.client_id)
      add('id_token_hint', id_token)
      add('post_logout_redirect_uri', goesOn)
      add('state', goesOn && randomBytes(18).toString('base64url'))
      url.search = url.search.replaceAll('+', '%20')
      return url.href
    } catch (cause) {
      const message = 'the session of the provider was not ended'
      gateway.log.warn(message, { code: codeOf(cause), cause })
      return undefined
    }
  }

  return {
    isConfigured: [suffix, logout_query_arg, logout_post_arg].some((each) => each !== undefined),
    secretArguments: ['id_token_hint', 'logout_token'],

    placeOf(request) {
      if (channelOf(request)) return 'path'
      if (!methods.has(request.method)) return undefined
      if (suffix !== undefined && endsWith(request, suffix)) return 'path'
      if (logout_query_arg !== undefined && request.query !== '')
        if (findArguments(request.query, logout_query_arg).length > 0) return 'query'
      return logout_post_arg !== undefined && hasBodyArguments(request) ? 'body' : undefined
    },

    isInBody(body) {
      return logout_post_arg !== undefined && body.getScalar(logout_post_arg) !== undefined
    },

    async perform(request, session, occasion) {
      const channel = channelOf(request)
      if (channel) return channel.perform(request, session)
      const client = session ? clients.all[session.data.client] : occasion.client
      const cookies = session && sessions ? await sessions.destroy(session, request) : []
      if (session) await revoke(session.data, client)
      const target =
        (await endSessionUrl(client, session?.data.id_token)) ?? client?.logout_redirect_uri
      if (target !== undefined) return { exit: redirect(target), cookies }
      return { exit: exit(200, {}, [['Cache-Control', 'no-store']]), cookies }
    },
  }
}

/** Whatever goes wrong once a session is over, the browser has to be told so: a fault of ours is no `Refusal`. */
function codeOf(cause: unknown): string {
  const { code } = cause instanceof Refusal ? cause : { code: 'logout_incomplete' }
  return code
}
