import { createServer, type Server } from 'node:net'
import { type Message, Wire } from './wire.ts'

/** What a service does with one connection, the first being number 0. */
export type Script = (wire: Wire, connection: number) => unknown

/** A server that does on the wire what its script says, right or wrong, and remembers what it was sent. */
export interface Service extends Disposable {
  readonly port: number
  /** How many connections it was sent. */
  readonly connections: number
  /** The requests that `answering` or the script took, in order. */
  readonly requests: Message[]
}

export async function service(script: Script): Promise<Service> {
  const wires = new Set<Wire>()
  const requests: Message[] = []
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const wire = new Recorder(socket, requests)
    wires.add(wire)
    socket.on('close', () => wires.delete(wire))
    void script(wire, connections++)
  })
  const port = await listening(server)
  return {
    port,
    requests,
    get connections() {
      return connections
    },
    [Symbol.dispose]() {
      server.close()
      for (const wire of wires) wire.close()
    },
  }
}

/** A script that answers every request of a connection with the same bytes. */
export function answering(answer: string | ((request: Message) => string | Uint8Array)): Script {
  return async (wire) => {
    for (;;) {
      const request = await wire.message()
      if (!request) return wire.close()
      wire.send(typeof answer === 'string' ? answer : answer(request))
    }
  }
}

/** A whole answer of 200 with that body. */
export function ok(body = 'ok'): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** Whatever was asked is answered with 200 and the request itself, as it came. */
export const echo = answering((request) =>
  ok(`${request.head}\r\n\r\n${request.body.toString('latin1')}`),
)

class Recorder extends Wire {
  readonly #requests: Message[]

  constructor(socket: ConstructorParameters<typeof Wire>[0], requests: Message[]) {
    super(socket)
    this.#requests = requests
  }

  override async message(): Promise<Message | undefined> {
    // A service waits for its next request as long as its test runs.
    const message = await super.message().catch(() => undefined)
    if (message) this.#requests.push(message)
    return message
  }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
