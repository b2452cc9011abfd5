import { spelling } from '../../headers.ts'
import {
  type AccessContext,
  type ClientRequest,
  errorExit,
  type Exit,
  type Gateway,
  type Plugin,
  type Reason,
} from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { type Argument, findArgument, findHeader, removeArguments } from '../arguments.ts'
import { type Body, hasSearchableBody, readBody } from './body.ts'
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
      : [
          {
            fields: ['identity_realms'],
            message: 'accepted, not honoured (keys come from the configuration alone)',
          },
        ],
  create(config, gateway) {
    const { anonymous, run_on_preflight, key_in_body } = config
    const search = createSearch(config)
    const judge = createJudge(config, gateway)
    const finish = (ctx: AccessContext, refusal: Exit | undefined) =>
      refusal && anonymous !== undefined ? becomeAnonymous(ctx, gateway, anonymous) : refusal
    return {
      secretArguments: config.key_names,
      access(ctx) {
        const { request } = ctx
        if (!run_on_preflight && request.method === 'OPTIONS') return undefined
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        const found = search.find(request)
        // Last, because a body is held back while it is searched: who sends a key elsewhere is not made to wait.
        if (found || !key_in_body || !hasSearchableBody(request))
          return finish(ctx, judge(ctx, found))
        return readBody(request).then((body) =>
          finish(ctx, judge(ctx, body && search.findInBody(body), body)),
        )
      },
    }
  },
}

/** A key as it was sent, and under which name. */
interface Found {
  readonly name: KeyName
  readonly key: Exclude<Argument, undefined>
}
interface KeyName {
  readonly name: string
  /** The spelling of the header. */
  readonly header: string
}

interface Search {
  /** The first name under which something stands in a header or in the query. */
  find(request: ClientRequest): Found | undefined
  findInBody(body: Body): Found | undefined
}

function createSearch({ key_names, key_in_header, key_in_query }: Config): Search {
  const names = key_names.map((name): KeyName => ({ name, header: spelling(name) }))
  return {
    find({ headers, query }) {
      for (const name of names) {
        let key: Argument
        if (key_in_header) key = textOf(findHeader(headers, name.header))
        if (key === undefined && key_in_query) key = findArgument(query, name.name)
        if (key !== undefined) return { name, key }
      }
      return undefined
    },
    findInBody(body) {
      for (const name of names) {
        const key = body.get(name.name)
        if (key !== undefined) return { name, key }
      }
      return undefined
    },
  }
}

const NOWHERE: Reason = {
  code: 'no_credentials',
  cause: 'no key was sent where key_in_header, key_in_query and key_in_body look for one',
}
const TWICE: Reason = {
  code: 'duplicate_key',
  cause: 'the key was sent more than once, and the service might read another of them',
}
const UNKNOWN: Reason = { code: 'invalid_key', cause: 'no consumer has this key' }

/** Headers are a byte a character; in a configuration a key is text. */
function textOf(key: Argument): Argument {
  return typeof key === 'string' && NOT_ASCII.test(key)
    ? Buffer.from(key, 'latin1').toString()
    : key
}

const NOT_ASCII = /[\x80-\xff]/

type Judge = (ctx: AccessContext, found: Found | undefined, body?: Body) => Exit | undefined

function createJudge(config: Config, gateway: Gateway): Judge {
  const { hide_credentials, realm, key_names, key_in_header, key_in_query, key_in_body } = config
  const challenge = [
    'WWW-Authenticate',
    realm === undefined ? 'Key' : `Key realm="${realm}"`,
  ] as const
  const places = key_names.flatMap((name) => [
    ...(key_in_header ? [{ text: `a key in the header ${name}`, header: spelling(name) }] : []),
    ...(key_in_query ? [{ text: `a key in the query, as ${name}` }] : []),
    ...(key_in_body ? [{ text: `a key in the body, as ${name}` }] : []),
  ])
  const refuse = ({ request }: AccessContext, message: string, reason: Reason) =>
    errorExit(request, 401, message, [challenge], reason)

  return (ctx, found, body) => {
    if (!found || found.key === '') {
      ctx.trace?.searched(places)
      return refuse(ctx, 'No API key found in request', NOWHERE)
    }
    const { key, name } = found
    ctx.trace?.found(`a key as ${name.name}`, 'the request', typeof key === 'string' ? key : '')
    // A wrong key is hidden too: with `anonymous` its request goes on, and it may be right elsewhere.
    if (hide_credentials) hide(ctx, name, body)
    if (typeof key !== 'string') return refuse(ctx, 'Duplicate API key found', TWICE)
    const owner = gateway.consumers.findByKey(key)
    if (!owner) return refuse(ctx, 'Unauthorized', UNKNOWN)
    ctx.authenticate(owner.consumer, owner.credential)
    return undefined
  }
}

function hide(
  { upstream }: AccessContext,
  { name, header }: KeyName,
  body: Body | undefined,
): void {
  upstream.headers.deleteSpellings(header)
  if (upstream.query !== '') upstream.query = removeArguments(upstream.query, [name])
  body?.remove(name, upstream)
}
