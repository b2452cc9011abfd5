import { spelling } from '../../headers.ts'
import { type AccessContext, exit, type Exit, type Plugin } from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { oauth2Tokens } from '../oauth2_tokens.ts'
import { bearer, refused, wrongMethod } from './answer.ts'
import { createAuthorizationEndpoint } from './authorize.ts'
import { createFindToken, type Found } from './bearer.ts'
import { createCodes } from './codes.ts'
import { type Config, schema } from './schema.ts'
import { createTokenEndpoint } from './token.ts'

/** Gives tokens at `…/oauth2/token` and `…/oauth2/authorize`, and knows consumers by them anywhere else. */
export const oauth2: Plugin<Config> = {
  name: 'oauth2',
  priority: 1400,
  authenticates: true,
  schema,
  create(config, gateway) {
    const { anonymous, auth_header_name, global_credentials, hide_credentials, realm } = config
    const tokens = oauth2Tokens(gateway)
    const codes = createCodes(gateway)
    const token = createTokenEndpoint(config, gateway, tokens, codes)
    const authorization = createAuthorizationEndpoint(config, gateway, tokens, codes)
    const find = createFindToken(config)
    const { missing, unknown, over, elsewhere, notGlobal } = createRefusals(realm)
    const places = placesOf(auth_header_name)

    function judge(ctx: AccessContext, found: Found): Exit | undefined {
      if (found.token === undefined || found.token === '') {
        ctx.trace?.searched(places)
        return missing
      }
      const text = typeof found.token === 'string' ? found.token : ''
      ctx.trace?.found('an access token', 'the request', text)
      const owner = tokens.find(text)
      if (!owner) return unknown
      const { service, created_at, expires_in, scope, authenticated_userid } = owner.token
      if (!service && !global_credentials) return notGlobal
      if (service && service.id !== ctx.service?.id) return elsewhere
      if (expires_in > 0 && gateway.now() / 1000 - created_at > expires_in) return over
      ctx.authenticate(owner.consumer, owner.credential)
      const { headers } = ctx.upstream
      if (scope !== undefined) headers.set('X-Authenticated-Scope', scope)
      if (authenticated_userid !== undefined)
        headers.set('X-Authenticated-UserId', authenticated_userid)
      return undefined
    }

    function finish(ctx: AccessContext, found: Found): Exit | undefined {
      const refusal = judge(ctx, found)
      // A wrong token is hidden too: with `anonymous` its request goes on, and it may be right elsewhere.
      if (hide_credentials && refusal !== missing) found.hide(ctx)
      if (!refusal || anonymous === undefined || refusal === notGlobal) return refusal
      return becomeAnonymous(ctx, gateway, anonymous)
    }

    return {
      secretArguments: SECRET_ARGUMENTS,
      secretHeaders: auth_header_name === undefined ? [] : [auth_header_name],
      access(ctx) {
        const { method, path } = ctx.request
        const [, name] = ENDPOINT.exec(path) ?? []
        if (name === 'token')
          return method === 'POST' ? token(ctx) : wrongMethod(method, 'token', realm)
        if (name === 'authorize')
          return method === 'POST'
            ? authorization(ctx)
            : wrongMethod(method, 'authorization', realm)
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        const found = find(ctx.request)
        return found instanceof Promise
          ? found.then((found) => finish(ctx, found))
          : finish(ctx, found)
      },
    }
  },
}

const ENDPOINT = /\/oauth2\/(token|authorize)\/?$/

const SECRET_ARGUMENTS = [
  'access_token',
  'client_secret',
  'code',
  'code_verifier',
  'provision_key',
  'refresh_token',
]

function placesOf(auth_header_name: string | undefined) {
  const name = auth_header_name
  return [
    ...(name === undefined
      ? []
      : [
          {
            text: `a token in the header ${name}, as "Bearer …" or "token …"`,
            header: spelling(name),
            scheme: 'bearer',
          },
        ]),
    { text: 'a token in the query, as access_token' },
    { text: 'a token in the body, as access_token' },
  ]
}

/** The client is told the same of each bad token; the log tells which it was. */
function createRefusals(realm: string | undefined) {
  const invalid = refused('invalid_token', 'The access token is invalid or has expired')
  const challenge = [['WWW-Authenticate', bearer(realm, invalid)]] as const
  const bad = (cause: string) =>
    exit(401, { ...invalid }, challenge, { code: 'invalid_token', cause })
  const NOT_GLOBAL =
    "The access token is global, but the current plugin is configured without 'global_credentials'"
  return {
    missing: exit(
      401,
      { ...refused('invalid_request', 'The access token is missing') },
      [['WWW-Authenticate', bearer(realm)]],
      {
        code: 'no_credentials',
        cause: 'no token is in the header auth_header_name, nor as access_token elsewhere',
      },
    ),
    unknown: bad('the oauth2 plugin has not given this token, or not since the start'),
    elsewhere: bad('the token is for another service'),
    over: exit(401, { ...invalid }, challenge, {
      code: 'token_expired',
      cause: 'the token of the oauth2 plugin is over',
    }),
    notGlobal: exit(401, { ...refused('invalid_token', NOT_GLOBAL) }, challenge, {
      code: 'invalid_token',
      cause: 'the token is for all services, and global_credentials is off',
    }),
  }
}
