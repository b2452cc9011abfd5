import { hostname } from 'node:os'
import { type AccessContext, BodyTooLarge, type ClientRequest, type Gateway } from '../../pdk.ts'
import { isRecord } from '../../schema/check.ts'
import { readArguments } from '../argument_list.ts'
import { FORM, mediaType } from '../arguments.ts'
import type { Members } from '../members.ts'
import { boundaryOf, readParts } from '../multipart.ts'
import { textOf } from '../pair.ts'

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
        query: show(readArguments(request.query)),
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
      return show(readArguments(body.toString('latin1')))
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
    if (name !== undefined) yield [name, textOf(value)]
}

function* lowered(pairs: Iterable<readonly [string, string]>): typeof pairs {
  for (const [name, value] of pairs) yield [name.toLowerCase(), value]
}

/** One value as itself, several as a list. */
function gather(pairs: Iterable<readonly [string, string]>): Readonly<Record<string, unknown>> {
  const gathered = new Map<string, string | string[]>()
  for (const [name, value] of pairs) {
    const before = gathered.get(name)
    gathered.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(gathered)
}

/** Arguments as text, where they were bytes. */
function show(members: Members): Readonly<Record<string, unknown>> {
  const text = (value: unknown): unknown => (typeof value === 'string' ? textOf(value) : value)
  const pairs = [...members.entries()].map(([name, value]) => [
    textOf(name),
    Array.isArray(value) ? value.map(text) : text(value),
  ])
  return Object.fromEntries(pairs)
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
