import type { Sent } from '../../context.ts'
import { FORM } from './scene.ts'

/** What a client may hold that is good, by which it may be let in. */
export interface Wallet {
  readonly accessTokens: readonly string[]
  readonly refreshToken: string
  /** As `name:password`. */
  readonly pairs: readonly string[]
  /** Cookies of a session and of a login under way, as `name=value`. */
  readonly cookies: readonly string[]
  /** An answer of the provider to that login. */
  readonly answer: string
  readonly proof: string
  readonly logoutToken: string
  /** Whole requests that are good, each as far as it has not been sent before. */
  readonly requests: readonly WildRequest[]
}

/** A request of somebody who sends anything. */
export interface WildRequest extends Sent {
  readonly path: string
}

type Random = (below: number) => number

const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'X',
  'get',
]
const PATHS = [
  '/',
  '/shop',
  '/shop',
  '/logout',
  '/logout/frontchannel',
  '/logout/backchannel',
  '//evil.test',
  '/a%2f..',
  '/shop/é'.slice(0, 5),
]
const SCHEMES = [
  'Bearer ',
  'bearer ',
  'BEARER  ',
  'Basic ',
  'basic ',
  'DPoP ',
  'dpop ',
  'Digest ',
  'Bearer',
  '',
  'Bearer\t',
  'Negotiate ',
]
const HEADERS = [
  ...[
    'Authorization',
    'Access-Token',
    'X-Access-Token',
    'access_token',
    'Refresh-Token',
    'refresh_token',
  ],
  ...[
    'Id-Token',
    'X-Client-Id',
    'Client-Id',
    'DPoP',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Consumer-Id',
  ],
  ...[
    'X-Forwarded-Path',
    'X-Forwarded-Port',
    'Accept',
    'User-Agent',
    'X-Email',
    'Content-Length',
    'Host',
  ],
]
const ARGUMENTS = [
  ...[
    'access_token',
    'refresh_token',
    'id_token',
    'username',
    'password',
    'client_id',
    'client_secret',
  ],
  ...[
    'code',
    'state',
    'iss',
    'error',
    'error_description',
    'response',
    'session_state',
    'logout',
    'bye',
  ],
  ...[
    'logout_token',
    'sid',
    'client_assertion',
    'client_assertion_type',
    'scope',
    'login_hint',
    '__proto__',
  ],
]
const COOKIES = [
  'session',
  'session2',
  'session9',
  'session10',
  'session_2',
  'authorization',
  'remember',
  'remember2',
  'token',
  '',
  '__proto__',
]
const TYPES = [
  ...[
    'application/x-www-form-urlencoded',
    'application/json',
    'APPLICATION/JSON; charset=utf-8',
    '',
  ],
  ...[
    'application/json;',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/x-www-form-urlencoded, x',
  ],
]
const NASTY = [
  ...[
    '',
    ' ',
    '\0',
    '\t',
    '%',
    '%zz',
    '%00',
    '%0d%0aX: y',
    '%c0%af',
    '%ff%fe',
    'null',
    'undefined',
    'true',
    '{}',
    '[]',
    '""',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '../..',
    ';',
    ';;=;',
    '=',
    ',',
    '"',
    "'",
    '\\',
    '<script>',
    '${x}',
    '\xff\xfe',
  ],
  ...[
    '\xc3\xa9',
    '-1',
    '0',
    '1',
    '2',
    '1e999',
    '9'.repeat(400),
    'a'.repeat(20_000),
    'eyJ',
    'eyJhbGciOiJub25lIn0.e30.',
    '....',
    '..',
  ],
  ...[
    'https://evil.test',
    '//evil.test',
    'javascript:alert(1)',
    ':',
    'a:',
    ':b',
    '::',
    'Og==',
    'OjpiOg',
    '\u2028',
  ],
]
const BODIES = [
  '',
  'null',
  '[]',
  '"x"',
  '7',
  '{',
  '{}',
  '[[[[[]]]]]',
  '{"__proto__":{"access_token":"x"}}',
  '&&&',
  '=',
  '%',
  '\0\0',
  '['.repeat(2000),
]

/** Makes requests, the same for one generator of numbers. */
export class WildClient {
  readonly #random: Random
  wallet: Wallet

  constructor(random: Random, wallet: Wallet) {
    this.#random = random
    this.wallet = wallet
  }

  request(): WildRequest {
    return this.#random(3) === 0 ? this.#nearlyGood() : this.#anything()
  }

  /** A good request of which one thing is wrong, mostly. */
  #nearlyGood(): WildRequest {
    const good = this.#pick(this.wallet.requests)
    const { headers = [], query = '', body = '' } = good
    const spoiled = this.#random([...headers].length + 3)
    const fields = [...headers].map(([name, value], i): [string, string] => {
      return [name, i === spoiled ? this.#spoil(value) : value]
    })
    const more = this.#random(4) === 0 ? [this.#header()] : []
    const part = spoiled - fields.length
    return {
      ...good,
      headers: [...fields, ...more],
      ...(query !== '' && { query: part === 0 ? sendable(this.#spoil(query)) : query }),
      ...(body !== '' && { body: part === 1 ? this.#spoil(body) : body }),
    }
  }

  #anything(): WildRequest {
    const headers: [string, string][] = []
    const times = this.#random(4)
    for (let i = 0; i < times; i++) headers.push(this.#header())
    if (this.#random(2) === 0) headers.push(['Cookie', this.#cookies()])
    if (this.#random(12) === 0) headers.push(['cookie', this.#cookies()])
    const query = this.#random(2) === 0 ? sendable(this.#query()) : ''
    const sent = { method: this.#pick(METHODS), path: this.#pick(PATHS), query }
    if (this.#random(3) > 0) return { ...sent, headers }
    const { type, body } = this.#body()
    return { ...sent, headers: [...headers, ['Content-Type', type]], body }
  }

  #header(): [string, string] {
    const name = this.#random(2) === 0 ? 'Authorization' : this.#pick(HEADERS)
    if (name === 'DPoP') return [name, this.#spoil(this.wallet.proof)]
    if (name !== 'Authorization') return [name, this.#secret()]
    const scheme = this.#pick(SCHEMES)
    const isPair = /basic/i.test(scheme) && this.#random(4) > 0
    const pair = this.#spoil(this.#pick(this.wallet.pairs))
    if (!isPair) return [name, scheme + this.#secret()]
    return [name, scheme + (this.#random(3) === 0 ? pair : this.#spoil(btoa(latin1(pair))))]
  }

  #cookies(): string {
    const pairs = Array.from({ length: this.#random(5) }, () => {
      const known = this.#pick(this.wallet.cookies)
      if (this.#random(2) > 0) return this.#spoil(known)
      const [, value = ''] = known.split(/=(.*)/)
      return `${this.#pick(COOKIES)}=${this.#random(2) === 0 ? this.#spoil(value) : this.#secret()}`
    })
    return pairs.join(this.#pick(['; ', ';', ', ', ';;', ' ; ']))
  }

  #query(): string {
    if (this.#random(4) === 0) return this.#spoil(this.wallet.answer)
    const pair = () => {
      const equals = this.#pick(['=', '=', '=', '', '==', '%3d'])
      return `${this.#pick(ARGUMENTS)}${equals}${this.#secret()}`
    }
    return Array.from({ length: 1 + this.#random(4) }, pair).join(this.#pick(['&', '&', '&&', ';']))
  }

  #body(): { type: string; body: string } {
    const type = this.#random(3) === 0 ? this.#pick(TYPES) : FORM[1]
    switch (this.#random(4)) {
      case 0:
        return { type, body: this.#pick(BODIES) }
      case 1: {
        const members = Array.from({ length: this.#random(4) }, () => [
          this.#pick(ARGUMENTS),
          this.#value(),
        ])
        return {
          type: 'application/json',
          body: this.#spoil(JSON.stringify(Object.fromEntries(members))),
        }
      }
      default:
        return { type, body: this.#query() }
    }
  }

  #value(): unknown {
    return this.#pick([
      this.#secret(),
      null,
      7,
      true,
      [],
      {},
      [this.#secret()],
      { a: this.#secret() },
    ])
  }

  /** Something that is looked at, rarely as it should be. */
  #secret(): string {
    const { accessTokens, refreshToken, pairs, logoutToken, proof, answer } = this.wallet
    const parts = [
      ...new URLSearchParams(answer).values(),
      ...pairs.flatMap((pair) => pair.split(':')),
    ]
    const all = [
      ...accessTokens,
      ...accessTokens,
      refreshToken,
      logoutToken,
      proof,
      ...parts,
      ...NASTY,
    ]
    return this.#spoil(this.#pick(all))
  }

  #spoil(text: string): string {
    if (this.#random(5) === 0) return text
    let spoiled = text
    for (let times = 1 + this.#random(2); times > 0; times--) spoiled = this.#spoilOnce(spoiled)
    return spoiled
  }

  #spoilOnce(text: string): string {
    const at = this.#random(text.length + 1)
    const [before, after] = [text.slice(0, at), text.slice(at)]
    switch (this.#random(11)) {
      case 0:
        return before + after.slice(1)
      case 1:
        return before + String.fromCharCode(this.#random(256)) + after.slice(1)
      case 2:
        return before + this.#pick(NASTY) + after
      case 3:
        return before
      case 4:
        return after + before
      case 5:
        return text + text
      case 6:
        return encodeURIComponent(text)
      case 7:
        return before + after.toUpperCase()
      case 8:
        return text.split('.').reverse().join('.')
      case 9:
        return `${text},${text}`
      default:
        return (
          before +
          String.fromCharCode((after.charCodeAt(0) || 0) ^ (1 << this.#random(7))) +
          after.slice(1)
        )
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)]!
  }
}

/** What the gateway takes as a query: no blanks, and no control characters. */
function sendable(query: string): string {
  return query.replace(
    /[\x00-\x20\x7f#]/g,
    (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function latin1(text: string): string {
  return text.replace(/[^\x00-\xff]/g, '?')
}

/** All that a request says, in whichever way it may be read. */
export function wordsOf({ headers = [], query = '', body = '' }: WildRequest): string {
  const raw = [...[...headers].map(([, value]) => value), query, body]
  const decoded = raw.flatMap((text) => [
    text,
    unescaped(text),
    unescaped(unescaped(text)),
    json(text),
  ])
  const basic = [...headers].map(([, value]) =>
    Buffer.from(value.replace(/^basic[\x00-\x20]+/i, ''), 'base64').toString(),
  )
  return [...decoded, ...basic].join('\n')
}

function unescaped(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%[\da-f]{2}/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
}

function json(text: string): string {
  return text
    .replace(/\\u([\da-f]{4})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    .replace(/\\(.)/g, '$1')
}
