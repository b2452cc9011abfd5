import type { ClientRequest } from '../../pdk.ts'
import { isRecord } from '../../schema/check.ts'
import { readArguments } from '../argument_list.ts'
import { FORM, mediaType } from '../arguments.ts'
import { boundaryOf, readParts } from '../multipart.ts'

/**
 * The parameters of a request to an endpoint, of its query and over these of its body. One that is there several times is
 * a list, one without a value is `true`, and JSON may hold anything.
 */
export type Parameters = ReadonlyMap<string, unknown>

export async function readParameters(request: ClientRequest): Promise<Parameters> {
  return new Map([...formOf(request.query), ...(await readBody(request))])
}

/** The value of a parameter that is one text. */
export function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameters.get(name)
  return typeof value === 'string' ? value : undefined
}

/** Bytes. The longest parameters are a code, a URI and a state. */
const LIMIT = 256 * 1024

async function readBody(request: ClientRequest): Promise<readonly (readonly [string, unknown])[]> {
  if (!request.hasBody) return []
  const bytes = await request.body(LIMIT)
  switch (mediaType(request)) {
    case FORM:
      return formOf(Buffer.from(bytes).toString('latin1'))
    case 'application/json':
      return membersOf(new TextDecoder().decode(bytes))
    case 'multipart/form-data': {
      const boundary = boundaryOf(request.headers.get('content-type') ?? '')
      if (boundary === undefined) return []
      return readParts(bytes, boundary).flatMap(({ name, value }) =>
        name === undefined ? [] : [[text(name), text(value)] as const],
      )
    }
    default:
      return []
  }
}

function formOf(bytes: string): readonly (readonly [string, unknown])[] {
  return [...readArguments(bytes).entries()].map(([name, value]) => [
    text(name),
    Array.isArray(value) ? value.map(text) : text(value),
  ])
}

function membersOf(json: string): readonly (readonly [string, unknown])[] {
  try {
    const value: unknown = JSON.parse(json)
    return isRecord(value) ? Object.entries(value).filter(([, each]) => each !== null) : []
  } catch {
    return []
  }
}

/** Text of what was read as bytes. */
function text<T>(value: T): T | string {
  return typeof value === 'string' ? Buffer.from(value, 'latin1').toString() : value
}
