import { spelling } from './headers.ts'
import { nearest } from './schema/nearest.ts'

/** Names of header fields, arguments and members whose values nobody may see. */
const SECRET_NAME =
  /auth|cookie|token|secret|passw|pwd|api[-_]?key|credential|assertion|jwk|signature|session|otp|client[-_]cert|verifier|dpop|^x-.*key|^(?:code|key|request|state|nonce|proof|pin)$/i
/** What sounds alike and is none. */
const NO_SECRET =
  /^(?:x-credential-identifier|x-authenticated-(?:userid|groups|scope)|token_type|(?:.*_)?(?:endpoint|supported)|(?:jwks|redirect|logo|policy|tos)_uri|auth_time|www-authenticate|authorization_details_types|client_assertion_type|(?:requested|subject|issued)_token_type|token_type_hint|userinfo|token_use|grant_type|session_state)$/i

const USUAL_NAMES = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'apikey',
  'x-api-key',
  'access-token',
]
/** A value that says itself that it is a credential. */
const WITH_SCHEME = /^\s*(?:bearer|basic|dpop|token|apikey|digest|negotiate)\s+\S/i

/** Shorter secrets are masked where they stand, and not looked for elsewhere: they would be found in every word. */
const SHORTEST = 6
/** Secrets of this length are no words, and looked for within words too. */
const NO_WORD = 16

/** Base64url and dots, from the beginning of a JSON object in Base64. */
const TOKEN = /eyJ[\w.+/=~-]{8,}/g
/** A word of letters and digits that is too long to be one, unless it is a UUID. */
const LONG_WORD = /^[\w.~+/-]{24,}=*$/
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$|^[\da-f]{32}$/i

/** Text that is shown may be this long; characters. */
const LONGEST = 300
/** Of longer text the rest is not looked at. */
const MOST_READ = 4_000
/** As many secrets are learned by their names alone, of what the client sent and of all that comes after it. */
const MOST_SENT = 200

/**
 * Takes secrets out of what is shown of one request: by the names under which they stand, by their looks, and wherever a
 * text that was secret in one place turns up in another.
 */
export class Masks {
  readonly #names: ReadonlySet<string>
  readonly #secrets = new Set<string>()
  /** What the client sent beyond that: wherever it turns up again, it takes nobody's place. */
  readonly #overlooked = new Set<string>()
  #room = MOST_SENT
  #isSending = true

  /** `names`: further arguments and fields whose values are secret, in lower case. */
  constructor(names: ReadonlySet<string> = new Set()) {
    this.#names = new Set([...names].flatMap((name) => [name, spelling(name)]))
  }

  isSecret(name: string): boolean {
    const names = this.#names
    if (names.has(name.toLowerCase()) || names.has(spelling(name))) return true
    // Who misspells a name sends a secret all the same.
    return !NO_SECRET.test(name) && (SECRET_NAME.test(name) || this.#isNearSecret(spelling(name)))
  }

  #isNearSecret(name: string): boolean {
    const names = [...USUAL_NAMES, ...this.#names].filter(({ length }) => length > 5)
    return name.length > 5 && nearest(name, names) !== undefined
  }

  /** Remembers a text as a secret, wherever it stands from now on. */
  learn(secret: string): void {
    if (secret.length < SHORTEST) return
    for (const each of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
      this.#secrets.add(each)
  }

  /** All that the client sent was shown. */
  endOfRequest(): void {
    this.#isSending = false
    this.#room = MOST_SENT
  }

  /** A text that is shown already, without the secrets that became known since. */
  scrub(text: string): string {
    let shown = text
    for (const secret of this.#secrets) shown = withoutSecret(shown, secret)
    return shown.replace(TOKEN, '[masked]')
  }

  /** A text of which nothing is known. */
  text(text: string): string {
    const [begin, isCut] = beginningOf(text)
    const plain = begin.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, ' ')
    const shown = this.scrub(plain)
    return isCut || shown.length > LONGEST ? `${shown.slice(0, LONGEST)}…` : shown
  }

  /** The value of a header field. */
  field(name: string, value: string): string {
    const lower = name.toLowerCase()
    if (lower === 'authorization' || lower === 'proxy-authorization')
      return this.#authorization(value)
    if (lower === 'cookie')
      return value
        .split(';')
        .map((pair) => this.#cookie(pair))
        .join('; ')
    if (lower === 'set-cookie') return this.#cookie(value.split(';', 1)[0]!)
    if (this.isSecret(name) || WITH_SCHEME.test(value)) return this.#masked(value)
    if (lower === 'location' || lower === 'referer') return this.url(value)
    const isOpaque =
      LONG_WORD.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value) && !UUID.test(value)
    return isOpaque ? this.#masked(value) : this.text(value)
  }

  /** A URL or the target of a request. */
  url(url: string): string {
    const [, path = '', query = '', fragment = ''] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(url) ?? []
    const named = path.replace(/(?<=^[a-z]+:\/\/)[^/@]*@/i, '[masked]@')
    return this.text(`${named}${this.#arguments(query)}${this.#arguments(fragment)}`)
  }

  /** A query or a fragment with its mark. A fragment has arguments too (RFC 6749 §4.2.2), even after a path of its own. */
  #arguments(marked: string): string {
    return marked.replace(/[^?#]+/g, (text) => this.form(text))
  }

  /** Arguments as `a=1&b=2`. */
  form(text: string): string {
    return text
      .split('&')
      .map((pair) => {
        const equals = pair.indexOf('=')
        if (equals < 0) return this.text(pair)
        const name = decoded(pair.slice(0, equals))
        const value = decoded(pair.slice(equals + 1))
        return `${this.#name(name)}=${this.isSecret(name) ? this.#masked(value) : this.text(value)}`
      })
      .join('&')
  }

  /** What was read as JSON: its members by their names, as deep as a claim stands. */
  json(value: unknown, name = '', depth = 0): unknown {
    if (typeof value === 'string')
      return this.isSecret(name) ? this.#masked(value) : this.text(value)
    if (Array.isArray(value))
      return value.slice(0, 20).map((each) => this.json(each, name, depth + 1))
    if (typeof value === 'number' && this.isSecret(name)) return this.#masked(String(value))
    if (typeof value !== 'object' || value === null) return value
    if (depth > 3) return '…'
    return Object.fromEntries(
      Object.entries(value)
        .slice(0, 40)
        .map(([key, each]) => [this.#name(key), this.json(each, key, depth + 1)]),
    )
  }

  /** The name of a member or an argument: a word, though it may be somebody's password, unless it is too long for one. */
  #name(name: string): string {
    return name.length < NO_WORD && /^\w+$/.test(name) ? name : this.text(name)
  }

  #authorization(value: string): string {
    const [, scheme = '', rest = value] = /^(\S+) +(.*)$/s.exec(value) ?? []
    this.learn(rest)
    if (scheme.toLowerCase() !== 'basic')
      return scheme === '' ? this.#masked(value) : `${this.text(scheme)} ${shape(rest)}`
    const pair = Buffer.from(rest, 'base64').toString()
    const colon = pair.indexOf(':')
    if (colon < 0) return 'Basic [masked]'
    this.learn(pair)
    this.learn(pair.slice(colon + 1))
    return `Basic [${this.text(pair.slice(0, colon))}:masked]`
  }

  #cookie(pair: string): string {
    const equals = pair.indexOf('=')
    if (equals < 0) return this.#masked(pair)
    this.#learnSent(pair.slice(equals + 1).trim())
    return `${this.text(pair.slice(0, equals).trim())}=[masked]`
  }

  #masked(value: string): string {
    this.#learnSent(value)
    return shape(value)
  }

  /** Anybody can send as many as a head has room for, and each is looked for everywhere. */
  #learnSent(secret: string): void {
    if (this.#secrets.has(secret) || this.#overlooked.has(secret)) return
    if (this.#room > 0) {
      this.#room--
      this.learn(secret)
    } else if (this.#isSending) this.#overlooked.add(secret)
  }
}

/** The beginning of a text, without what may be half a secret at its end; and whether there is more. */
function beginningOf(text: string): [begin: string, isCut: boolean] {
  if (text.length <= MOST_READ) return [text, false]
  const begin = text.slice(0, MOST_READ)
  const blank = begin.lastIndexOf(' ')
  return [begin.slice(0, Math.max(blank, 0)), true]
}

function withoutSecret(text: string, secret: string): string {
  if (!text.includes(secret)) return text
  if (secret.length >= NO_WORD) return text.replaceAll(secret, '[masked]')
  const parts = text.split(secret)
  return parts.reduce((before, after) => {
    const isWord = /[\w-]$/.test(before) || /^[\w-]/.test(after)
    return `${before}${isWord ? secret : '[masked]'}${after}`
  })
}

/** What may be said of a secret. */
function shape(secret: string): string {
  if (/^eyJ[\w-]+\.[\w-]+\.[\w-]*$/.test(secret)) return '[masked JWT]'
  return secret === '' ? '[empty]' : '[masked]'
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
