import {
  type AccessContext,
  type Awaitable,
  type ClientRequest,
  type Consumers,
  errorExit,
  type Exit,
  type Plugin,
  type Reason,
} from '../../pdk.ts'
import { becomeAnonymous } from '../anonymous.ts'
import { findHeader } from '../arguments.ts'
import { createFailures } from './failures.ts'
import { type Config, schema } from './schema.ts'

/** Knows consumers by a name and a password in `Proxy-Authorization` or `Authorization` (RFC 7617). */
export const basicAuth: Plugin<Config> = {
  name: 'basic-auth',
  priority: 1100,
  authenticates: true,
  schema,
  create(config, gateway) {
    const { anonymous, hide_credentials, realm } = config
    const { consumers } = gateway
    const failures = createFailures(config, gateway)
    const challenge = ['WWW-Authenticate', `Basic realm="${realm}"`] as const

    const refuse = ({ request }: AccessContext, reason: Reason) =>
      errorExit(request, 401, 'Unauthorized', [challenge], reason)

    /** Kong's order: a name that nobody has, in the first header, makes room for the second. */
    function find(request: ClientRequest): Pair | undefined {
      let found: Pair | undefined
      for (const header of HEADERS) {
        const pair = readPair(request, header)
        if (pair) found = pair
        if (pair && consumers.findByUsername(pair.username)) return pair
      }
      return found
    }

    function judge(ctx: AccessContext, pair: Pair | undefined): Awaitable<Exit | undefined> {
      if (!pair) {
        ctx.trace?.searched(PLACES)
        return refuse(ctx, NOWHERE)
      }
      ctx.trace?.found(`the name ${pair.username} and a password`, 'a header', pair.password)
      const owner = consumers.findByUsername(pair.username)
      const known = consumers.isPassword(owner, pair.password) ? owner : undefined
      if (!failures) return admit(ctx, known)
      return after(failures.attempt(pair.username, known !== undefined), (seconds) =>
        seconds > 0 ? tooMany(ctx, seconds) : admit(ctx, known),
      )
    }

    function admit(ctx: AccessContext, owner: Known | undefined): Exit | undefined {
      if (!owner) return refuse(ctx, UNKNOWN)
      ctx.authenticate(owner.consumer, owner.credential)
      return undefined
    }

    function finish(ctx: AccessContext, refusal: Exit | undefined): Exit | undefined {
      if (hide_credentials) hide(ctx)
      return refusal && anonymous !== undefined ? becomeAnonymous(ctx, gateway, anonymous) : refusal
    }

    return {
      access(ctx) {
        // With `anonymous` several authentication plugins are alternatives: another one has succeeded already.
        if (anonymous !== undefined && ctx.credential) return undefined
        return after(judge(ctx, find(ctx.request)), (refusal) => finish(ctx, refusal))
      },
    }
  },
}

type Known = NonNullable<ReturnType<Consumers['findByUsername']>>

/** Goes on with a value, without a promise if it is none. */
function after<T, R>(value: Awaitable<T>, then: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(then) : then(value)
}

function tooMany({ request }: AccessContext, seconds: number): Exit {
  const retryAfter = ['Retry-After', String(seconds)] as const
  return errorExit(request, 429, 'Too many requests', [retryAfter], {
    code: 'too_many_failures',
    cause: `wrong passwords were sent for this name; it may be tried in ${seconds} seconds`,
  })
}

const NOWHERE: Reason = {
  code: 'no_credentials',
  cause:
    'neither Proxy-Authorization nor Authorization holds Basic credentials, once and in Base64',
}
const UNKNOWN: Reason = {
  code: 'invalid_credentials',
  cause: 'nobody has this name, or it has another password',
}

/** In the order in which they are read. */
const HEADERS = ['proxy-authorization', 'authorization'] as const
const PLACES = HEADERS.map((header) => ({
  text: `a name and a password in the header ${header}, as "Basic …"`,
  header,
  scheme: 'basic',
}))

interface Pair {
  readonly username: string
  readonly password: string
}

/** Reads `Basic` credentials in Base64; nothing if there are none, or several. */
function readPair({ headers }: ClientRequest, header: string): Pair | undefined {
  const value = findHeader(headers, header)
  const base64 = typeof value === 'string' ? BASIC.exec(value)?.[1] : undefined
  if (base64 === undefined) return undefined
  const text = Buffer.from(base64, 'base64').toString()
  const colon = text.indexOf(':')
  return colon > 0 ? { username: text.slice(0, colon), password: text.slice(colon + 1) } : undefined
}

const BASIC = /^\s*basic\s+([\w+/-]+={0,2})\s*$/i

/** Takes out what was or would have been read, right or wrong. The token of another scheme is another plugin's. */
function hide({ upstream: { headers } }: AccessContext): void {
  for (const header of HEADERS) {
    const isBasic = headers.fields.some(
      ({ spelling, value }) => spelling === header && /^\s*basic\b/i.test(value),
    )
    if (isBasic) headers.deleteSpellings(header)
  }
}
