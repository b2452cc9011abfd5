import { connect, type Socket } from 'node:net'

/** One message as it came over the wire, read by nobody's parser but this file's. */
export interface Message {
  /** Everything before the empty line. */
  readonly head: string
  /** The request line or the status line. */
  readonly line: string
  /** Name and value in order and spelling. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Whether the body came to its end; not so if the connection closed before. */
  readonly isWhole: boolean
}

/** How long a test waits for bytes before it fails, in milliseconds. */
const PATIENCE = 3_000

/** Bytes that arrive on a socket, to be taken message by message. */
export class Wire {
  readonly socket: Socket
  /** How the other side left: by FIN, by RST, or not yet. */
  ending: 'end' | 'reset' | undefined
  #bytes: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      this.#wake?.()
    })
    socket.on('end', () => this.#ended('end'))
    socket.on('close', () => this.#ended('end'))
    socket.on('error', () => this.#ended('reset'))
  }

  /** Connects to a port of this machine. */
  static async to(port: number): Promise<Wire> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    socket.setNoDelay(true)
    return new Wire(socket)
  }

  /** Sends text of one byte a character, or bytes. */
  send(data: string | Uint8Array): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    return this
  }

  /** What arrived and was not taken yet. */
  get waiting(): string {
    return this.#bytes.toString('latin1')
  }

  /** Waits until `done` is content with what arrived, or the other side left. */
  async until(done: (text: string) => boolean, patience = PATIENCE): Promise<void> {
    const limit = performance.now() + patience
    while (!done(this.waiting)) {
      if (this.ending) return
      const left = limit - performance.now()
      if (left <= 0)
        throw new Error(`waited in vain; arrived: ${JSON.stringify(this.waiting.slice(0, 300))}`)
      await this.#more(left)
    }
  }

  /** All that arrives until the other side leaves. */
  async rest(patience = PATIENCE): Promise<string> {
    await this.until(() => false, patience)
    return this.#take(this.#bytes.length).toString('latin1')
  }

  /** The next message. Without one, and the other side gone: undefined. `isAnswerTo`: the method that it answers. */
  async message(isAnswerTo?: string): Promise<Message | undefined> {
    await this.until((text) => text.includes('\r\n\r\n'))
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const head = this.#take(end + 4)
      .toString('latin1')
      .slice(0, -4)
    const [line = '', ...lines] = head.split('\r\n')
    const fields = lines.map((each): [string, string] => {
      const colon = each.indexOf(':')
      return [each.slice(0, colon), each.slice(colon + 1).trim()]
    })
    const { body, isWhole } = await this.#body(framing(line, fields, isAnswerTo))
    return { head, line, fields, body, isWhole }
  }

  close(): void {
    this.socket.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #body(length: number | 'chunked' | 'close'): Promise<{ body: Buffer; isWhole: boolean }> {
    if (length === 'close') {
      await this.until(() => false)
      return { body: this.#take(this.#bytes.length), isWhole: this.ending === 'end' }
    }
    if (length !== 'chunked') {
      await this.until((text) => text.length >= length)
      const body = this.#take(Math.min(length, this.#bytes.length))
      return { body, isWhole: body.length === length }
    }
    const chunks: Buffer[] = []
    for (;;) {
      await this.until((text) => text.includes('\r\n'))
      const end = this.#bytes.indexOf('\r\n')
      if (end < 0) return { body: Buffer.concat(chunks), isWhole: false }
      const size = Number.parseInt(this.#take(end + 2).toString('latin1'), 16)
      await this.until((text) => text.length >= size + 2)
      const whole = this.#bytes.length >= size + 2
      const data = this.#take(Math.min(size + 2, this.#bytes.length))
      chunks.push(data.subarray(0, size))
      if (!whole || size === 0) return { body: Buffer.concat(chunks), isWhole: whole }
    }
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  #more(patience: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patience)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #ended(how: 'end' | 'reset'): void {
    this.ending ??= how
    this.#wake?.()
  }
}

/** The first value of a field, in any case. */
export function field(message: Message | undefined, name: string): string | undefined {
  return message?.fields.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1]
}

export function statusOf(message: Message | undefined): number {
  return Number(message?.line.split(' ')[1] ?? 0)
}

/** Sends one request on a connection of its own and gives the answer. */
export async function ask(
  port: number,
  request: string | Uint8Array,
): Promise<Message | undefined> {
  using wire = await Wire.to(port)
  const text = typeof request === 'string' ? request : Buffer.from(request).toString('latin1')
  return await wire.send(request).message(text.slice(0, text.indexOf(' ')))
}

function framing(
  line: string,
  fields: Message['fields'],
  isAnswerTo: string | undefined,
): number | 'chunked' | 'close' {
  const value = (name: string) => fields.find(([each]) => each.toLowerCase() === name)?.[1]
  const answer = /^HTTP\/1\.[01] (\d{3})/.exec(line)
  if (answer) {
    const status = Number(answer[1])
    if (isAnswerTo === 'HEAD' || status < 200 || status === 204 || status === 304) return 0
  }
  if (value('transfer-encoding')?.toLowerCase() === 'chunked') return 'chunked'
  const length = value('content-length')
  if (length !== undefined) return Number(length)
  return answer ? 'close' : 0
}

/** Waits until something is so. */
export async function eventually(isSo: () => boolean, patience = PATIENCE): Promise<void> {
  const limit = performance.now() + patience
  while (!isSo()) {
    if (performance.now() > limit) throw new Error('waited in vain')
    await Bun.sleep(2)
  }
}
