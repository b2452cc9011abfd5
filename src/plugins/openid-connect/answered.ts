import { isRecord } from '../../schema/check.ts'
import type { Claims } from './claims.ts'
import { InvalidAnswer } from './failure.ts'

/** What a provider says of a token or of its user. */
export interface Answered {
  /** Absent where only the holder of a key can read them (JWE). What stands in a JWT is not verified yet. */
  readonly claims: Claims | undefined
  /** The answer as it came, if it is a JWT. */
  readonly jwt: string | undefined
}

/**
 * Reads what is JSON or a JWT, as its media type says. `member` is where a JWT has the claims, if not at its top
 * (RFC 9701 §5). Throws `InvalidAnswer`.
 */
export async function answeredBy(answer: Response, member?: string): Promise<Answered> {
  const type = answer.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (!isJwtType(type)) {
    const claims: unknown = await answer.json().catch(() => undefined)
    if (!isRecord(claims)) throw new InvalidAnswer('the answer is no JSON object')
    return { claims, jwt: undefined }
  }
  const jwt = (await answer.text()).trim()
  const parts = jwt.split('.')
  if (!/^[\w-]+(?:\.[\w-]*)+$/.test(jwt) || (parts.length !== 3 && parts.length !== 5))
    throw new InvalidAnswer('the answer is no JWT')
  if (parts.length === 5) return { claims: undefined, jwt }
  const claims = parse(parts[1]!)
  if (!isRecord(claims)) throw new InvalidAnswer('the answer is no JWT')
  const inner = member === undefined ? undefined : claims[member]
  return { claims: isRecord(inner) ? inner : claims, jwt }
}

/** Whether a media type, in lower case, is that of a JWT. */
export function isJwtType(type: string): boolean {
  return type === 'application/jwt' || type.endsWith('+jwt')
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}
