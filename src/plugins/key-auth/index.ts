import { spelling } from '../../headers.ts'
import type { AccessContext, Exit, Gateway, Plugin } from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Argument, findArgument, findHeader, removeArguments } from '../arguments.ts'
import { errorExit } from '../error.ts'
import { type Body, readBody } from './body.ts'
import { type Config, schema } from './schema.ts'

/** Knows consumers by a key in a header, in the query or in the body. */
export const keyAuth: Plugin<Config> = {
  name: 'key-auth',
  priority: 1250,
  authenticates: true,
  schema,
  warnings: ({ identity_realms }) =>
    identity_realms === undefined
      ? []
      : ['identity_realms: accepted, not honoured (keys come from the configuration alone)'],
  create(config, gateway) {
    const { anonymous, run_on_preflight, key_in_body } = config
    const authenticate = authenticator(config, gateway)
    const finish = (ctx: AccessContext, refusal: Exit | undefined) =>
      refusal && anonymous !== undefined ? becomeAnonymous(ctx, gateway, anonymous) : refusal
    return {
      access(ctx) {
        if (!run_on_preflight && ctx.request.method === 'OPTIONS') return undefined
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        if (!key_in_body) return finish(ctx, authenticate(ctx, undefined))
        return readBody(ctx.request).then((body) => finish(ctx, authenticate(ctx, body)))
      },
    }
  },
}

type Authenticate = (ctx: AccessContext, body: Body | undefined) => Exit | undefined

function authenticator(config: Config, gateway: Gateway): Authenticate {
  const { key_in_header, key_in_query, hide_credentials, realm } = config
  const names = config.key_names.map((name) => ({ name, header: spelling(name) }))
  const challenge = [
    'WWW-Authenticate',
    realm === undefined ? 'Key' : `Key realm="${realm}"`,
  ] as const
  const refuse = ({ request }: AccessContext, message: string, code: string) =>
    errorExit(request, 401, message, [challenge], { code })

  return (ctx, body) => {
    const { request, upstream } = ctx
    for (const { name, header } of names) {
      let key: Argument
      if (key_in_header) key = findHeader(request.headers, header)
      if (key === undefined && key_in_query) key = findArgument(request.query, name)
      if (key === undefined && body) key = body.get(name)
      if (key === undefined) continue
      if (typeof key !== 'string') return refuse(ctx, 'Duplicate API key found', 'duplicate_key')
      if (key === '') break
      const owner = gateway.consumers.findByKey(key)
      if (!owner) return refuse(ctx, 'Unauthorized', 'invalid_key')
      if (hide_credentials) {
        upstream.headers.deleteSpellings(header)
        if (upstream.query !== '') upstream.query = removeArguments(upstream.query, [name])
        body?.remove(name, upstream)
      }
      ctx.authenticate(owner.consumer, owner.credential)
      return undefined
    }
    return refuse(ctx, 'No API key found in request', 'no_credentials')
  }
}
