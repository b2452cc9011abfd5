type Members = Readonly<Record<string, unknown>>

/** What a compact JWS (RFC 7515 §3.1) says; nothing is proved by it. */
export interface Token {
  readonly alg: string
  readonly header: Members
  readonly claims: Members
  /** What is signed. */
  readonly input: string
  readonly signature: Buffer
}

const ALGORITHMS: ReadonlySet<string> = new Set([
  ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
])

/** Takes a token apart; gives Kong's words for what cannot be one. */
export function parseToken(text: string): Token | string {
  const [head = '', payload = '', mac, ...rest] = text.split('.')
  const header = parseObject(head)
  const claims = parseObject(payload)
  if (!header || !claims || mac === undefined) return 'invalid JSON'
  const alg = member(header, 'alg')
  if (typeof alg !== 'string' || !ALGORITHMS.has(alg)) return 'invalid alg'
  // RFC 7515 §4.1.11: who does not know an extension must not take the token. We know none.
  if (member(header, 'crit') !== undefined) return 'invalid crit'
  const signature = rest.length === 0 ? fromBase64url(mac) : undefined
  if (!signature) return 'invalid signature'
  return { alg, header, claims, input: `${head}.${payload}`, signature }
}

/** A member of an object that is its own: `constructor` is none. */
export function member(object: Members, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function parseObject(part: string): Members | undefined {
  const bytes = fromBase64url(part)
  if (!bytes) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Members
  } catch {}
  return undefined
}

/** The bytes of Base64url in its one canonical text (RFC 7515 §2): without padding, blanks or stray bits. */
export function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
