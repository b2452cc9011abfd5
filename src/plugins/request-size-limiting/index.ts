import { type ClientRequest, BodyTooLarge, errorExit, type Exit, type Plugin } from '../../pdk.ts'
import { boolean, type Infer, integer, record, string } from '../../schema/field.ts'

const UNITS = { bytes: 1, kilobytes: 1024, megabytes: 1024 * 1024 } as const

const schema = record(
  'Refuses requests with a body that is too large.',
  {
    allowed_payload_size: integer('How large a body may be, in `size_unit`.', {
      required: true,
      default: 128,
    }),
    size_unit: string(
      'The unit of `allowed_payload_size`: 1024 bytes are a kilobyte, 1024 kilobytes a megabyte.',
      {
        required: true,
        default: 'megabytes',
        one_of: ['bytes', 'kilobytes', 'megabytes'],
      },
    ),
    require_content_length: boolean(
      'Whether requests must have a `Content-Length`, or a body in chunks.',
      { required: true, default: false },
    ),
  },
  { required: true },
)

type Config = Infer<typeof schema>

/** Bytes. Below it a body that does not tell its length is read here, so that the service never sees one that is too large. */
const READ_LIMIT = 1024 * 1024

/** Refuses a body by its announced length; one without is cut off where it gets too large. */
export const requestSizeLimiting: Plugin<Config> = {
  name: 'request-size-limiting',
  priority: 951,
  schema,
  remedies: {
    request_too_large: { fields: ['allowed_payload_size', 'size_unit'] },
    length_required: { fields: ['require_content_length'] },
  },
  create({ allowed_payload_size, size_unit, require_content_length }) {
    const limit = allowed_payload_size * UNITS[size_unit]
    return {
      access({ request }) {
        const length = request.headers.get('content-length')
        if (length !== undefined) return Number(length) > limit ? tooLarge(request) : undefined
        // Over HTTP/2 nothing is in chunks, and the length is always asked for.
        const isInChunks = request.hasBody && request.httpVersion !== '2.0'
        if (require_content_length && !isInChunks) return lengthRequired(request)
        if (!request.hasBody) return undefined
        if (limit > READ_LIMIT) {
          const refusal = () => tooLarge(request)
          return request.limitBody(limit, refusal) ? undefined : refusal()
        }
        return request.body(limit).then(
          () => undefined,
          (error: unknown) => {
            if (error instanceof BodyTooLarge) return tooLarge(request)
            throw error
          },
        )
      },
    }
  },
}

/** 417 is for a client that asked before it sends the body (RFC 9110 §10.1.1). */
function tooLarge(request: ClientRequest): Exit {
  const asks = request.headers.get('expect')?.trim().toLowerCase() === '100-continue'
  const reason = { code: 'request_too_large' }
  return errorExit(request, asks ? 417 : 413, 'Request size limit exceeded', [], reason)
}

function lengthRequired(request: ClientRequest): Exit {
  const message = 'A valid Content-Length header is required'
  return errorExit(request, 411, message, [], { code: 'length_required' })
}
