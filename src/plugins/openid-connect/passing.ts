import { spelling } from '../../headers.ts'
import type { ClientRequest } from '../../pdk.ts'
import { array, type Config, string } from '../../schema/field.ts'
import {
  type Argument,
  type BodyArguments,
  findArgument,
  findHeader,
  hasBodyArguments,
} from '../arguments.ts'
import { badHeaderName, badHeaderValue } from '../header.ts'

const argument = string('The name of an argument.')
const header = string('The name of a header.', { custom: badHeaderName })

export const fields = {
  token_post_args_client: array(
    'The arguments of the client that are passed on to the token endpoint: from its query, its body or its headers.',
    argument,
  ),
  token_headers_client: array(
    'The headers of the client that are passed on to the token endpoint.',
    header,
  ),
  introspection_headers_client: array(
    'The headers of the client that the introspection request repeats.',
    header,
  ),
  introspection_post_args_client: array(
    'The arguments of the client that the introspection request repeats.',
    argument,
  ),
  introspection_post_args_client_headers: array(
    'The headers of the client that the introspection request repeats as arguments.',
    header,
  ),
  userinfo_headers_client: array(
    'The headers of the client that the user info request repeats.',
    header,
  ),
  userinfo_query_args_client: array(
    'The arguments of the client that the user info request repeats.',
    argument,
  ),
  authorization_query_args_client: array(
    'The arguments of the client that the authorization request repeats.',
    argument,
  ),
}

/** What of a client's request goes to one endpoint of the provider. */
export interface Passed {
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly args: readonly (readonly [name: string, value: string])[]
  /** All of it as one text, empty for nothing: the answer depends on it, so it belongs into the keys of caches. It may be secret. */
  readonly key: string
}

/** Nothing is passed: the same for all requests. */
export const NOTHING: Passed = { headers: [], args: [], key: '' }

export type PassedTo = 'token' | 'introspection' | 'userinfo' | 'authorization'

export interface Passing {
  /** Whether nothing is ever passed on. */
  readonly isEmpty: boolean
  /** What of a request goes to that endpoint; `body` if it was read. Costs nothing where nothing is configured. */
  of(to: PassedTo, request: ClientRequest, body?: BodyArguments): Passed
  /** Whether the body of a request has to be read first, because an argument may stand there that does not stand elsewhere. */
  inBody(to: PassedTo, request: ClientRequest): boolean
}

interface Rule {
  readonly headers: readonly string[]
  readonly args: readonly string[]
  /** Where else than in the query and the body an argument is looked for: in the header of its name, or nowhere. */
  readonly inHeaders: boolean
  readonly headerArgs: readonly string[]
}

/** Prepares what is passed on. */
export function createPassing(config: Config<typeof fields>): Passing {
  const rule = (parts: Partial<{ [K in keyof Rule]: Rule[K] | undefined }>): Rule | undefined => {
    const { headers = [], args = [], headerArgs = [], inHeaders = false } = parts
    const isEmpty = headers.length + args.length + headerArgs.length === 0
    if (isEmpty) return undefined
    return { headers: headers.filter(isCopied), args: args.filter(isFree), headerArgs, inHeaders }
  }
  const rules: Readonly<Record<PassedTo, Rule | undefined>> = {
    token: rule({
      headers: config.token_headers_client,
      args: config.token_post_args_client,
      inHeaders: true,
    }),
    introspection: rule({
      headers: config.introspection_headers_client,
      args: config.introspection_post_args_client,
      headerArgs: config.introspection_post_args_client_headers,
    }),
    userinfo: rule({
      headers: config.userinfo_headers_client,
      args: config.userinfo_query_args_client,
    }),
    authorization: rule({ args: config.authorization_query_args_client }),
  }

  return {
    isEmpty: Object.values(rules).every((each) => each === undefined),
    of(to, request, body) {
      const rule = rules[to]
      return rule ? passedBy(rule, request, body) : NOTHING
    },
    inBody(to, request) {
      const rule = rules[to]
      if (!rule || rule.args.length === 0 || !hasBodyArguments(request)) return false
      return rule.args.some((name) => findArgument(request.query, name) === undefined)
    },
  }
}

function passedBy(rule: Rule, request: ClientRequest, body: BodyArguments | undefined): Passed {
  const inHeader = (name: string) => findHeader(request.headers, spelling(name))
  const headers = found(rule.headers, inHeader).filter(
    ([, value]) => badHeaderValue(value) === undefined,
  )
  const args = found(
    rule.args,
    (name) =>
      findArgument(request.query, name) ??
      body?.get(name) ??
      (rule.inHeaders ? inHeader(name) : undefined),
  )
  const all = [...args, ...found(rule.headerArgs, inHeader)]
  if (headers.length + all.length === 0) return NOTHING
  return { headers, args: all, key: JSON.stringify([headers, all]) }
}

/** What is there once; of two values nobody could tell which one counts. */
function found(
  names: readonly string[],
  find: (name: string) => Argument,
): (readonly [string, string])[] {
  return names.flatMap((name) => {
    const value = find(name)
    return typeof value === 'string' ? [[name, value] as const] : []
  })
}

/** What decides on who asks for which token: that is the gateway's own, whatever the configuration lets through. */
const OWN: ReadonlySet<string> = new Set([
  'assertion',
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'grant_type',
  'nonce',
  'password',
  'redirect_uri',
  'refresh_token',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'state',
  'subject_token',
  'subject_token_type',
  'token',
  'username',
])

/** What belongs to the message that the client has sent, and would be wrong of the gateway's own. */
const FRAMING: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function isCopied(name: string): boolean {
  return !FRAMING.has(spelling(name))
}

function isFree(name: string): boolean {
  return !OWN.has(name)
}
