import type { Masks } from './masks.ts'

/** A request to a server that is not the service, and what came of it. */
export interface ToldCall {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | undefined
  readonly ms: number
  /** Or why there is none. */
  readonly answer: ToldAnswer | string
}

export interface ToldAnswer {
  readonly status: number
  readonly type: string
  readonly body: Uint8Array
}

const FORM = /^application\/x-www-form-urlencoded *(?:;|$)/i
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json *(?:;|$)/i

/** Of a longer body only its length is told; bytes. */
const MOST_READ = 256 * 1024
/** Of JSON this much is shown; characters. */
const MOST_SHOWN = 800

/** What a JWT says of itself, as far as it is nobody's secret; nothing for other tokens. */
export function describeToken(token: string, masks: Masks): string[] {
  const [head, claims] = token.split('.').map(readPart)
  if (!head || !claims) return []
  const now = Date.now() / 1000
  const shown = ['iss', 'sub', 'aud', 'azp', 'scope', 'scp', 'exp', 'nbf'].flatMap((name) => {
    const value = claims[name]
    if (value === undefined) return []
    if ((name === 'exp' || name === 'nbf') && typeof value === 'number')
      return [`${name} ${clock(value * 1000)} (${distance(value - now)})`]
    return [`${name} ${JSON.stringify(masks.json(value, name))}`]
  })
  const signed = ['alg', 'kid'].flatMap((name) =>
    typeof head[name] === 'string' ? [`${name} ${masks.text(head[name])}`] : [],
  )
  return [`it says ${[...shown, ...signed].join(', ')}`]
}

/** Since when a JWT is over, in words; nothing for one that is not, and for other tokens. */
export function expiryOf(token: string): string | undefined {
  const exp = readPart(token.split('.')[1] ?? '')?.exp
  const left = typeof exp === 'number' ? exp - Date.now() / 1000 : 0
  return left < 0 ? `the token expired ${distance(left)}` : undefined
}

function readPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** What a request has sent: a form or JSON; of anything else nobody knows where its secrets are. */
export function describeBody(
  headers: readonly (readonly [string, string])[],
  body: string,
  masks: Masks,
): string {
  const [, type = ''] = headers.find(([name]) => name.toLowerCase() === 'content-type') ?? []
  if (FORM.test(type)) return masks.form(body)
  const value = JSON_TYPE.test(type) && body.length <= MOST_READ ? readJson(body) : undefined
  return typeof value === 'object' && value !== null
    ? JSON.stringify(masks.json(value)).slice(0, MOST_SHOWN)
    : sizeIn(Buffer.byteLength(body), type, masks)
}

/** What of an answer is worth a line. */
export function describeAnswer(url: string, { type, body }: ToldAnswer, masks: Masks): string {
  if (body.length === 0) return ''
  const value = body.length > MOST_READ ? undefined : readJson(new TextDecoder().decode(body))
  if (value === undefined) return sizeIn(body.length, type, masks)
  if (typeof value !== 'object' || value === null) return `${body.length} bytes of JSON`
  const members = value as Readonly<Record<string, unknown>>
  if (Array.isArray(members.keys)) {
    const kids = members.keys.map((key: { kid?: unknown } | null) =>
      typeof key?.kid === 'string' ? key.kid : 'without kid',
    )
    return `${kids.length} keys: ${masks.text(kids.slice(0, 10).join(', '))}`
  }
  if (url.includes('/.well-known/')) {
    const { issuer, jwks_uri, token_endpoint } = members
    return JSON.stringify(masks.json({ issuer, jwks_uri, token_endpoint }))
  }
  return JSON.stringify(masks.json(members)).slice(0, MOST_SHOWN)
}

function sizeIn(length: number, type: string, masks: Masks): string {
  return `${length} bytes of ${masks.text(type || 'no type')}`
}

/** Nothing for what is no JSON. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `2026-11-24 03:00:00 UTC` */
export function clock(ms: number): string {
  if (!(Math.abs(ms) < 8.64e15)) return String(ms)
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function distance(seconds: number): string {
  const size = Math.abs(seconds)
  const [unit, name] =
    size < 120
      ? [1, 'seconds']
      : size < 7200
        ? [60, 'minutes']
        : size < 172_800
          ? [3600, 'hours']
          : [86_400, 'days']
  const words = `${Math.round(size / unit)} ${name}`
  return seconds < 0 ? `${words} ago` : `in ${words}`
}
