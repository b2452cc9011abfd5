import type { ClientRequest, UpstreamRequest } from '../../pdk.ts'
import {
  AMBIGUOUS,
  type Argument,
  hasBodyArguments,
  mediaType,
  readBodyArguments,
} from '../arguments.ts'
import { boundaryOf, readParts, writeParts } from '../multipart.ts'

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
  const parts = readParts(bytes, boundary)
  return {
    get(name) {
      const [named, ...more] = parts.filter((part) => part.name === name)
      if (more.length > 0) return AMBIGUOUS
      return named && Buffer.from(named.value, 'latin1').toString()
    },
    remove(name, upstream) {
      if (!parts.some((part) => part.name === name)) return
      const kept = parts.filter((part) => part.name !== name)
      upstream.setBody(writeParts(kept, boundary))
    },
  }
}
