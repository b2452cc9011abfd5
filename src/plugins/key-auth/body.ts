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

/** Reads a form, JSON or multipart body; gives nothing for any other. Throws `BodyTooLarge`. */
export async function readBody(request: ClientRequest): Promise<Body | undefined> {
  if (mediaType(request) === 'multipart/form-data') return readMultipart(request)
  if (!hasBodyArguments(request)) return undefined
  const body = await readBodyArguments(request)
  return {
    get: body.get,
    remove(name, upstream) {
      if (body.get(name) !== undefined) upstream.setBody(body.without([name]))
    },
  }
}

async function readMultipart(request: ClientRequest): Promise<Body | undefined> {
  const bytes = await request.body()
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
