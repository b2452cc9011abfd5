import { type AccessContext, exit, type Exit, type Plugin } from '../../pdk.ts'
import { spelling } from '../../headers.ts'
import { boolean, type Infer, integer, record, string } from '../../schema/field.ts'
import { findArgument } from '../arguments.ts'
import { badHeaderName } from '../header.ts'

const schema = record(
  'Answers requests itself instead of sending them to the service.',
  {
    status_code: integer('The status of the answer.', {
      required: true,
      default: 503,
      between: [100, 599],
    }),
    message: string('The text of the JSON member `message`, where no `body` is set.'),
    content_type: string('The media type of `body`.'),
    body: string('The whole body of the answer, instead of `message`.'),
    echo: boolean('Answers with a description of the request, to see what arrives.', {
      required: true,
      default: false,
    }),
    trigger: string('Only requests with a header or a query argument of this name are answered.', {
      custom: badHeaderName,
    }),
  },
  { required: true },
  { checks: [contradiction] },
)

type Config = Infer<typeof schema>

/** What Kong says where no message is set; other statuses have no body. */
const MESSAGES: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  404: 'Not found',
  405: 'Method not allowed',
  500: 'An unexpected error occurred',
  502: 'Bad Gateway',
  503: 'Service unavailable',
}

/** Answers instead of the service: for maintenance, or to close an endpoint. */
export const requestTermination: Plugin<Config> = {
  name: 'request-termination',
  priority: 2,
  schema,
  create(config) {
    const { trigger, echo } = config
    const answer = answerOf(config)
    const triggerSpelling = trigger === undefined ? undefined : spelling(trigger)
    return {
      access(ctx) {
        if (trigger !== undefined && triggerSpelling !== undefined) {
          const { headers, query } = ctx.request
          const sent = headers.getSpelling(triggerSpelling) ?? findArgument(query, trigger)
          if (sent === undefined) return undefined
        }
        return echo ? describe(config, ctx) : answer
      },
    }
  },
}

function answerOf({ status_code, message, body, content_type }: Config): Exit {
  if (body !== undefined) {
    const headers = content_type === undefined ? [] : [['Content-Type', content_type] as const]
    return { status: status_code, headers, body, ...reasonOf(status_code) }
  }
  const text = message ?? MESSAGES[status_code]
  if (text === undefined)
    return { status: status_code, headers: [], body: '', ...reasonOf(status_code) }
  return { ...exit(status_code, { message: text }), ...reasonOf(status_code) }
}

/** Whoever looks for the cause of a 401 or a 403 finds one in the log. */
function reasonOf(status: number): Pick<Exit, 'reason'> {
  if (status !== 401 && status !== 403) return {}
  return { reason: { code: 'terminated', cause: 'the plugin answers every request of its scope' } }
}

async function describe(config: Config, ctx: AccessContext): Promise<Exit> {
  const { request } = ctx
  const url = URL.parse(`${request.scheme}://${request.host}`)
  const answer = exit(config.status_code, {
    message: config.message ?? MESSAGES[config.status_code],
    request: {
      scheme: request.scheme,
      host: url?.hostname ?? request.host,
      port: Number(url?.port) || (request.scheme === 'https' ? 443 : 80),
      headers: gather(request.headers),
      query: gather(new URLSearchParams(request.query)),
      raw_body: Buffer.from(await request.body()).toString(),
      method: request.method,
      path: request.path,
    },
    matched_route: ctx.route,
    matched_service: ctx.service,
  })
  return { ...answer, ...reasonOf(config.status_code) }
}

/** Pairs as Kong shows them: names in lower case, one value as itself, several as a list. */
function gather(pairs: Iterable<[string, string]>): Record<string, string | string[]> {
  const gathered: Record<string, string | string[]> = {}
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const before = Object.hasOwn(gathered, key) ? gathered[key] : undefined
    gathered[key] = before === undefined ? value : [before, value].flat()
  }
  return gathered
}

function contradiction(config: Readonly<Record<string, unknown>>): string | undefined {
  const { message, content_type, body, echo } = config
  if (message !== undefined && (content_type !== undefined || body !== undefined))
    return 'message cannot be used with content_type or body'
  if (content_type !== undefined && body === undefined) return 'content_type requires a body'
  if (echo === true && (content_type !== undefined || body !== undefined))
    return 'echo cannot be used with content_type and body'
  return undefined
}
