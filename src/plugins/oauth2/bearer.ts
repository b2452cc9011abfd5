import { spelling } from '../../headers.ts'
import type { AccessContext, Awaitable, ClientRequest } from '../../pdk.ts'
import {
  AMBIGUOUS,
  type Argument,
  type BodyArguments,
  findArgument,
  findHeader,
  hasBodyArguments,
  readBodyArguments,
  removeArguments,
} from '../arguments.ts'
import type { Config } from './schema.ts'

/** A token as it was sent. */
export interface Found {
  readonly token: Argument
  /** Takes it out of the request to the service. */
  hide(ctx: AccessContext): void
}

/** Looks for a token in the header; without one there in the query and the body (RFC 6750 §2). */
export function createFindToken({ auth_header_name }: Config) {
  const header = auth_header_name === undefined ? undefined : spelling(auth_header_name)

  return (request: ClientRequest): Awaitable<Found> => {
    const value = header === undefined ? undefined : findHeader(request.headers, header)
    if (header !== undefined && value !== undefined)
      return {
        token: typeof value === 'string' ? tokenIn(value) : value,
        hide: ({ upstream }) => upstream.headers.deleteSpellings(header),
      }
    if (!CHANGING.has(request.method) || !hasBodyArguments(request)) return findIn(request)
    return readBodyArguments(request).then((body) => findIn(request, body))
  }
}

/** The name of a token's argument. */
const NAME = 'access_token'
/** The methods with whose requests Kong looks into the body. */
const CHANGING = new Set(['POST', 'PUT', 'PATCH'])

/** Kong takes a header with anything but a scheme and a token for the token. */
function tokenIn(value: string): string {
  return /^\s*(?:bearer|token)\s+(\S+)\s*$/i.exec(value)?.[1] ?? value
}

function findIn({ query }: ClientRequest, body?: BodyArguments): Found {
  const inQuery = findArgument(query, NAME)
  const inBody = body?.get(NAME)
  return {
    token: inQuery === AMBIGUOUS ? AMBIGUOUS : (inBody ?? inQuery),
    hide({ upstream }) {
      if (upstream.query !== '') upstream.query = removeArguments(upstream.query, [NAME])
      if (inBody !== undefined && body) upstream.setBody(body.without([NAME]))
    },
  }
}
