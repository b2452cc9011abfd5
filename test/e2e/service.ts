/** A request as a service received it. */
export interface Received {
  readonly method: string
  readonly target: string
  /** Name and value of each field, as they were on the wire and in their order. */
  readonly fields: readonly (readonly [string, string])[]
  /** The bytes of the head, as latin-1. */
  readonly raw: string
  readonly body: string
}

interface State {
  received: Buffer
}

/**
 * A service in plain TCP that keeps every byte it is sent, and answers as httpbin's `/anything` does with the names of
 * the header fields as they came. `?delay=` in the target makes it wait that many milliseconds.
 */
export class Service implements Disposable {
  readonly requests: Received[] = []
  readonly #server: Bun.TCPSocketListener<State>

  /** Listens on a free port of loopback unless told where. */
  constructor({ hostname, port } = { hostname: '127.0.0.1', port: 0 }) {
    this.#server = Bun.listen<State>({
      hostname,
      port,
      socket: {
        open: (socket) => void (socket.data = { received: Buffer.alloc(0) }),
        data: (socket, bytes) => {
          socket.data.received = Buffer.concat([socket.data.received, bytes])
          for (let next = take(socket.data); next; next = take(socket.data)) {
            this.requests.push(next)
            void answer(socket, next)
          }
        },
      },
    })
  }

  get port(): number {
    return this.#server.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/anything`
  }

  /** The last request; throws if there was none. */
  get last(): Received {
    const last = this.requests.at(-1)
    if (!last) throw new Error('the service was never asked')
    return last
  }

  [Symbol.dispose](): void {
    this.#server.stop(true)
  }
}

/** The values of a field, by its name in any case. */
export function valuesOf({ fields }: Received, name: string): string[] {
  return fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
}

function take(state: State): Received | undefined {
  const headEnd = state.received.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const raw = state.received.toString('latin1', 0, headEnd + 4)
  const [line = '', ...lines] = raw.trimEnd().split('\r\n')
  const [method = '', target = ''] = line.split(' ')
  const fields = lines.map((each): [string, string] => {
    const colon = each.indexOf(':')
    return [each.slice(0, colon), each.slice(colon + 1).trim()]
  })
  const length = fields.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  const end = headEnd + 4 + Number(length ?? 0)
  if (state.received.length < end) return undefined
  const body = state.received.toString('utf8', headEnd + 4, end)
  state.received = state.received.subarray(end)
  return { method, target, fields, raw, body }
}

async function answer(socket: Bun.Socket<State>, received: Received): Promise<void> {
  const { method, target, fields, body: data } = received
  const args = Object.fromEntries(new URL(target, 'http://service.test').searchParams)
  if (args.delay !== undefined) await Bun.sleep(Number(args.delay))
  const body = JSON.stringify({ args, data, headers: Object.fromEntries(fields), method })
  socket.write(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
