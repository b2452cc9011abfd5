import { hostname } from 'node:os'
import { type AccessContext, BodyTooLarge, type ClientRequest, type Gateway } from '../../pdk.ts'
import { isRecord } from '../../schema/check.ts'
import { FORM, mediaType, readArguments } from '../arguments.ts'
import { boundaryOf, readParts } from '../multipart.ts'

/** Tells what arrived, by the names that Kong gives it. */
export type Describe = (ctx: AccessContext) => Promise<Readonly<Record<string, unknown>>>

/** Prepares the answer of `echo`. */
export function createDescribe(message: string | undefined, { node_id }: Gateway): Describe {
  const kong = { node_id, worker_pid: process.pid, hostname: hostname() }
  return async ({ request, route, service, uri_captures }) => {
    const body = await bodyOf(request)
    return {
      message,
      kong,
      request: {
        scheme: request.scheme,
        host: request.host.replace(/:\d*$/, '').toLowerCase(),
        port: request.port,
        headers: gather(lowered(request.headers)),
        query: gather(readArguments(request.query)),
        body: body && readBody(request, body),
        raw_body: body?.toString(),
        method: request.method,
        path: request.path,
        uri_captures: sortCaptures(uri_captures),
      },
      matched_route: route,
      matched_service: service,
    }
  }
}

/** The body; nothing for one that is too large to be shown. */
async function bodyOf(request: ClientRequest): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await request.body())
  } catch (error) {
    if (error instanceof BodyTooLarge) return undefined
    throw error
  }
}

/** What stands in a form or in JSON. */
function readBody(request: ClientRequest, body: Buffer): unknown {
  switch (mediaType(request)) {
    case FORM:
      return gather(readArguments(body.toString()))
    case 'application/json':
      return parseJson(body.toString())
    case 'multipart/form-data': {
      const boundary = boundaryOf(request.headers.get('content-type') ?? '')
      return boundary === undefined ? undefined : gather(fieldsOf(body, boundary))
    }
    default:
      return undefined
  }
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value) || Array.isArray(value)) return value
  } catch {}
  return undefined
}

function* fieldsOf(body: Buffer, boundary: string): Iterable<readonly [string, string]> {
  for (const { name, value } of readParts(body, boundary))
    if (name !== undefined) yield [name, Buffer.from(value, 'latin1').toString()]
}

function* lowered(pairs: Iterable<readonly [string, string]>): typeof pairs {
  for (const [name, value] of pairs) yield [name.toLowerCase(), value]
}

type Value = string | true

/** One value as itself, several as a list. */
function gather(pairs: Iterable<readonly [string, Value]>): Readonly<Record<string, unknown>> {
  const gathered = new Map<string, Value | Value[]>()
  for (const [name, value] of pairs) {
    const before = gathered.get(name)
    gathered.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(gathered)
}

function sortCaptures(captures: AccessContext['uri_captures'] = {}) {
  const named: Record<string, string> = {}
  const unnamed: string[] = []
  for (const [key, text] of Object.entries(captures)) {
    if (!/^\d+$/.test(key)) named[key] = text
    else if (key !== '0') unnamed[Number(key) - 1] = text
  }
  return { named, unnamed }
}
