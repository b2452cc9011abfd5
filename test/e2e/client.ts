import { until } from './until.ts'

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number
  /** The names in small letters; repeated fields joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What is sent; header fields go out letter for letter as `name` + `:` or `: ` + `value`. */
export interface Sent {
  readonly method?: string
  readonly path?: string
  /** Whole field lines, so that a test decides about every byte. */
  readonly fields?: readonly string[]
  readonly body?: string
}

/** One HTTP/1.1 connection to the gateway, which reads answers by their length. */
export class Connection implements Disposable {
  #received = Buffer.alloc(0)
  #closed = false
  readonly #socket: Bun.Socket<undefined>

  private constructor(socket: Bun.Socket<undefined>) {
    this.#socket = socket
  }

  static async open(port: number, hostname = '127.0.0.1'): Promise<Connection> {
    let connection!: Connection
    await Bun.connect({
      hostname,
      port,
      socket: {
        open: (socket) => void (connection = new Connection(socket)),
        data: (_, bytes) => connection.take(bytes),
        close: () => connection.end(),
      },
    })
    return connection
  }

  private take(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes])
  }

  private end(): void {
    this.#closed = true
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Sends text as it is. */
  write(text: string): void {
    this.#socket.write(text)
  }

  /** Sends a request and gives its answer; throws if the connection ends before a whole one. */
  async request(sent: Sent = {}, limit = 15_000): Promise<Answer> {
    this.write(requestText(sent))
    return this.answer(limit)
  }

  /** The next answer on this connection. */
  answer(limit = 15_000): Promise<Answer> {
    return until('a whole answer', () => this.#next(), limit)
  }

  #next(): Answer | undefined {
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd >= 0) {
      const [line = '', ...fields] = this.#received.toString('latin1', 0, headEnd).split('\r\n')
      const headers = headersOf(fields)
      const end = headEnd + 4 + Number(headers['content-length'] ?? 0)
      if (headers['transfer-encoding'] !== undefined) throw new Error('chunked: not expected here')
      if (this.#received.length >= end) {
        const body = this.#received.toString('utf8', headEnd + 4, end)
        this.#received = this.#received.subarray(end)
        return { status: Number(line.split(' ')[1]), headers, body }
      }
    }
    if (this.#closed) throw new Error('the connection was closed before a whole answer')
    return undefined
  }

  [Symbol.dispose](): void {
    this.#socket.terminate()
  }
}

/** Sends one request on a connection of its own. */
export async function request(port: number, sent: Sent = {}, limit?: number): Promise<Answer> {
  using connection = await Connection.open(port)
  return await connection.request(
    { ...sent, fields: [...(sent.fields ?? []), 'Connection: close'] },
    limit,
  )
}

/** `Authorization: Basic …` for a user and a password. */
export function basic(user: string, password: string): string {
  return `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

export function requestText({
  method = 'GET',
  path = '/anything',
  fields = [],
  body = '',
}: Sent): string {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: gateway.test', ...fields, ...length]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function headersOf(fields: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon).toLowerCase()
    const value = field.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}
