import { type AccessContext, exit, type Exit, type Plugin, type Warning } from '../../pdk.ts'
import { spelling } from '../../headers.ts'
import { boolean, type Infer, integer, record, string } from '../../schema/field.ts'
import { findArguments } from '../arguments.ts'
import { badHeaderName } from '../header.ts'
import { createDescribe } from './echo.ts'

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
  warnings: ({ status_code }) => (isFinal(status_code) ? [] : [NOT_FINAL]),
  create(config, gateway) {
    const { trigger } = config
    const status = isFinal(config.status_code) ? config.status_code : 503
    const answer = answerOf(config, status)
    const describe = createDescribe(config.message ?? MESSAGES[status], gateway)
    const echo = async (ctx: AccessContext): Promise<Exit> => ({
      ...exit(status, await describe(ctx)),
      ...reasonOf(status),
    })
    const triggerSpelling = trigger === undefined ? undefined : spelling(trigger)
    return {
      access(ctx) {
        if (trigger !== undefined && triggerSpelling !== undefined) {
          const { headers, query } = ctx.request
          const isSent = headers.getSpelling(triggerSpelling) !== undefined
          if (!isSent && findArguments(query, trigger).length === 0) return undefined
        }
        return config.echo ? echo(ctx) : answer
      },
    }
  },
}

/** RFC 9110 §15.2: a client waits for what comes after such a status. */
function isFinal(status: number): boolean {
  return status >= 200
}

const NOT_FINAL: Warning = {
  fields: ['status_code'],
  message: 'is below 200, which ends no request; 503 is sent in its place',
}

function answerOf({ message, body, content_type }: Config, status: number): Exit {
  if (body !== undefined) {
    const headers = content_type === undefined ? [] : [['Content-Type', content_type] as const]
    return { status, headers, body, ...reasonOf(status) }
  }
  const text = message ?? MESSAGES[status]
  if (text === undefined) return { status, headers: [], body: '', ...reasonOf(status) }
  return { ...exit(status, { message: text }), ...reasonOf(status) }
}

/** Whoever looks for the cause of a 401 or a 403 finds one in the log. */
function reasonOf(status: number): Pick<Exit, 'reason'> {
  if (status !== 401 && status !== 403) return {}
  return { reason: { code: 'terminated', cause: 'the plugin answers every request of its scope' } }
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
