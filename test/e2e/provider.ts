import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** A request to the provider. */
export interface Asked {
  readonly path: string
  readonly head: string
  readonly form: URLSearchParams
}

/** What goes back: bytes as they are, or whatever is done to the connection. */
export type Reply = string | ((socket: Bun.Socket<unknown>) => void)
export type Endpoint = 'discovery' | 'keys' | 'token'

interface State {
  received: string
}

/** Two keys for all tests: the provider's, and a stranger's. */
const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })

/**
 * An identity provider that does what a test tells it, down to the bytes. Unless told otherwise it is a good one, to
 * whom every password and every refresh token is right.
 */
export class Provider implements Disposable {
  readonly asked: Asked[] = []
  /** What is answered instead of the good answer. */
  readonly replies: Partial<Record<Endpoint, (asked: Asked) => Reply>> = {}
  readonly #server: Bun.TCPSocketListener<State>
  #serial = 0

  constructor(replies: Partial<Record<Endpoint, Reply | ((asked: Asked) => Reply)>> = {}) {
    for (const [endpoint, reply] of Object.entries(replies))
      this.replies[endpoint as Endpoint] =
        typeof reply === 'string' ? () => reply : (reply as never)
    this.#server = Bun.listen<State>({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        open: (socket) => void (socket.data = { received: '' }),
        data: (socket, bytes) => {
          socket.data.received += bytes.toString('latin1')
          for (let next = take(socket.data); next; next = take(socket.data)) {
            this.asked.push(next)
            const reply = this.#reply(next)
            if (typeof reply === 'function') reply(socket)
            else socket.write(reply)
          }
        },
      },
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  get issuer(): string {
    return `${this.origin}/realm`
  }

  /** The requests to the token endpoint. */
  get tokens(): readonly Asked[] {
    return this.asked.filter(({ path }) => path.endsWith('/token'))
  }

  /** The discovery document, with changes; `undefined` leaves a member out. */
  document(changes: object = {}): object {
    return {
      issuer: this.issuer,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/keys`,
      ...changes,
    }
  }

  /** The claims of a token, with changes. */
  claims(changes: object = {}): object {
    const iat = Math.floor(Date.now() / 1000)
    const who = { sub: 'alex', aud: 'kong', scope: 'openid' }
    return { iss: this.issuer, ...who, iat, exp: iat + 300, jti: ++this.#serial, ...changes }
  }

  /** An answer of the token endpoint, with changes. */
  tokenSet(changes: object = {}): object {
    return {
      access_token: sign(this.claims()),
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: `renewal-${++this.#serial}`,
      id_token: sign(this.claims()),
      ...changes,
    }
  }

  #reply(asked: Asked): Reply {
    const { path } = asked
    if (path === '/realm/.well-known/openid-configuration')
      return this.replies.discovery?.(asked) ?? json(this.document())
    if (path === '/realm/keys') return this.replies.keys?.(asked) ?? json({ keys: [jwk()] })
    if (path === '/realm/token') return this.replies.token?.(asked) ?? json(this.tokenSet())
    return answer(404, 'text/plain', 'not here')
  }

  [Symbol.dispose](): void {
    this.#server.stop(true)
  }
}

/** The public half of the provider's key, or of another, as a JWK. */
export function jwk(key: KeyObject = own.publicKey, changes: object = {}): object {
  return { ...key.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig', ...changes }
}

/** Signs a JWT as the provider does, or with another key or header. */
export function sign(claims: object, header: object = {}, key: KeyObject = own.privateKey): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'RS256', typ: 'JWT', kid: 'k1', ...header })}.${part(claims)}`
  return `${text}.${createSign('sha256').update(text).sign(key, 'base64url')}`
}

/** A whole answer over the wire. */
export function answer(status: number, type: string, body: string, ...fields: string[]): string {
  const own = [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`]
  return `HTTP/1.1 ${status} x\r\n${[...fields, ...own].join('\r\n')}\r\n\r\n${body}`
}

export function json(value: unknown, status = 200): string {
  return answer(status, 'application/json', JSON.stringify(value))
}

/** Takes the request and never answers. */
export const hang: Reply = () => {}

/** Ends the connection after a beginning of an answer. */
export const cut =
  (beginning = ''): Reply =>
  (socket) => {
    socket.write(beginning)
    socket.end()
  }

/** Resets the connection. */
export const reset: Reply = (socket) => socket.terminate()

/** Sends a byte of an endless answer ten times a second, as long as somebody listens. */
export const trickle: Reply = (socket) => {
  socket.write(
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n',
  )
  const timer = setInterval(() => {
    if (socket.write(' ') <= 0) clearInterval(timer)
  }, 100)
}

function take(state: State): Asked | undefined {
  const end = state.received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = state.received.slice(0, end)
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  if (state.received.length < end + 4 + length) return undefined
  const body = state.received.slice(end + 4, end + 4 + length)
  state.received = state.received.slice(end + 4 + length)
  return { path: head.split(' ')[1]!.split('?')[0]!, head, form: new URLSearchParams(body) }
}
