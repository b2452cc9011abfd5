import type { ClientRequest, UpstreamRequest } from '../../pdk.ts'
import {
  AMBIGUOUS,
  type Argument,
  hasBodyArguments,
  mediaType,
  readBodyArguments,
} from '../arguments.ts'

/** A request's body as keys are looked for in it. */
export interface Body {
  get(name: string): Argument
  /** Takes an argument out of what is sent to the service. */
  remove(name: string, upstream: UpstreamRequest): void
}

const MULTIPART = 'multipart/form-data'
/** Bytes. A longer multipart body, such as an upload, is not held back in search of a key. */
const MULTIPART_LIMIT = 1024 * 1024

/** Whether a request's body is a form, JSON or multipart, and short enough to look into. */
export function hasSearchableBody(request: ClientRequest): boolean {
  if (mediaType(request) !== MULTIPART) return hasBodyArguments(request)
  return request.hasBody && !(Number(request.headers.get('content-length')) > MULTIPART_LIMIT)
}

/** Reads a body for which `hasSearchableBody` holds. Throws `BodyTooLarge` if it was longer than it said. */
export async function readBody(request: ClientRequest): Promise<Body | undefined> {
  if (mediaType(request) === MULTIPART) return readMultipart(request)
  const body = await readBodyArguments(request)
  return {
    get: body.get,
    remove(name, upstream) {
      if (body.get(name) !== undefined) upstream.setBody(body.without([name]))
    },
  }
}

async function readMultipart(request: ClientRequest): Promise<Body | undefined> {
  const bytes = await request.body(MULTIPART_LIMIT)
  const boundary = boundaryOf(request.headers.get('content-type') ?? '')
  if (boundary === undefined) return undefined
  const parts = splitParts(Buffer.from(bytes).toString('latin1'), boundary)
  return {
    get(name) {
      const named = parts.filter((part) => part.name === name)
      return named.length > 1 ? AMBIGUOUS : named[0]?.value
    },
    remove(name, upstream) {
      if (!parts.some((part) => part.name === name)) return
      const kept = parts.filter((part) => part.name !== name)
      const text = kept.map(({ raw }) => `--${boundary}\r\n${raw}\r\n`).join('')
      upstream.setBody(Buffer.from(`${text}--${boundary}--\r\n`, 'latin1'))
    },
  }
}

interface Part {
  readonly name: string | undefined
  readonly value: string
  readonly raw: string
}

function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

/** RFC 2046 §5.1.1: a part stands between two delimiters, each at the beginning of a line. */
function splitParts(text: string, boundary: string): Part[] {
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`).slice(1)
  return pieces.filter((piece) => piece.startsWith('\r\n')).map((piece) => readPart(piece.slice(2)))
}

function readPart(raw: string): Part {
  const headEnd = raw.startsWith('\r\n') ? 0 : raw.indexOf('\r\n\r\n')
  const head = headEnd < 0 ? raw : raw.slice(0, headEnd)
  const disposition = /^content-disposition:.*?;\s*name="([^"]*)"/im.exec(head)
  return {
    name: disposition?.[1],
    value: headEnd < 0 ? '' : Buffer.from(raw.slice(headEnd + 4), 'latin1').toString(),
    raw,
  }
}
