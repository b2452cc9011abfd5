import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type { Socket } from 'bun'
import { BodyDecoder, Parts } from '../http1/body.ts'
import type { Deadlines, Waiter } from '../http1/deadlines.ts'
import {
  BadMessage,
  checkResponseBeginning,
  MAX_HEAD,
  parseResponseHead,
  type ResponseHead,
  UNTIL_CLOSE,
} from '../http1/head.ts'
import { Outbox } from '../http1/outbox.ts'
import { UpstreamError, type UpstreamFault } from './errors.ts'

/** Where a request goes. Two requests with the same `key` may share a connection. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly tls: TargetTls | undefined
  readonly key: string
}

export interface TargetTls {
  /** The name for SNI, and that the certificate must be for if `verify`. */
  readonly serverName: string
  readonly verify: boolean
  /** PEM of the authorities to trust instead of the built-in ones. */
  readonly ca: string | undefined
}

/** Milliseconds, as Kong's service has them: to connect; between two writes; between two reads. */
export interface Timeouts {
  readonly connect: number
  readonly write: number
  readonly read: number
}

/** Who receives one answer. After `fail`, or `data` with `last`, nothing more comes. */
export interface Receiver {
  /** The answer's head. `more`: bytes of the body follow at once. */
  head(head: ResponseHead, more: boolean): void
  /** A view of the connection's buffer: copy what you keep. False: no more until `resume`. */
  data(part: Uint8Array, last: boolean): boolean
  /** The server takes more of the request's body. */
  drain(): void
  fail(error: UpstreamError): void
}

export interface UpstreamConnectionOwner {
  readonly deadlines: Deadlines
  /** The connection is free for the next request. */
  release(connection: UpstreamConnection): void
  /** The connection is gone. */
  forget(connection: UpstreamConnection): void
}

const EMPTY = new Uint8Array(0)

/** One connection to a server, for one request after the other. */
export class UpstreamConnection implements Waiter {
  deadline = Infinity
  /** When it was last free for a request, in `performance.now()` milliseconds. */
  parkedAt = 0
  requests = 0
  readonly target: Target
  readonly #owner: UpstreamConnectionOwner
  #socket: Socket<UpstreamConnection> | undefined
  #outbox: Outbox | undefined
  #receiver: Receiver | undefined
  #timeouts: Timeouts = { connect: 0, write: 0, read: 0 }
  #method = ''
  #decoder: BodyDecoder | undefined
  #head: Buffer | undefined
  #keepAlive = true
  #sentAll = false
  #heardAny = false
  #isPaused = false
  #isLeaving = false
  #waitsFor: UpstreamFault = 'connect_timeout'

  constructor(target: Target, owner: UpstreamConnectionOwner) {
    this.target = target
    this.#owner = owner
    owner.deadlines.add(this)
  }

  /** Connects; gives when requests may be sent. Throws `UpstreamError`. */
  async connect(timeout: number): Promise<void> {
    const { host, port, tls } = this.target
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#wait('connect_timeout', timeout)
    this.#receiver = { head() {}, data: () => true, drain() {}, fail: reject }
    const opened = (socket: Socket<UpstreamConnection>) => {
      this.#outbox = new Outbox(socket)
      this.deadline = Infinity
      this.#receiver = undefined
      resolve()
    }
    Bun.connect<UpstreamConnection>({
      hostname: host,
      port,
      data: this,
      ...(tls && {
        tls: {
          // RFC 6066 §3: an address is no name to ask by.
          serverName: isIP(tls.serverName) === 0 ? tls.serverName : '',
          rejectUnauthorized: tls.verify,
          ...(tls.ca !== undefined && { ca: tls.ca }),
        },
      }),
      socket: {
        open: (socket) => {
          // It comes too late: nobody waits for it any more.
          if (this.#receiver === undefined) return void socket.terminate()
          // Kept before the handshake, so that a server which never shakes hands is left when the time is over.
          this.#socket = socket
          if (!tls) opened(socket)
        },
        handshake: (socket, success, authorizationError) => {
          if (this.#socket === undefined) return
          const refusal = tls?.verify
            ? (authorizationError ?? identityError(tls.serverName, socket))
            : undefined
          // Bun calls a handshake a failure for a wrong name too, which is none where nothing is checked.
          const isDone = success || (!tls?.verify && socket.getCipher()?.name !== undefined)
          if (isDone && !refusal) return opened(socket)
          this.#fail(
            new UpstreamError('tls_failed', refusal?.message ?? 'the TLS handshake failed', {
              unsent: true,
            }),
          )
          socket.terminate()
        },
        data: (_socket, bytes) => this.#data(bytes),
        drain: () => this.#drain(),
        close: (_socket, error) => this.#closed(error),
        connectError: (_socket, error) => this.#fail(connectError(host, port, error)),
        error: (_socket, cause) =>
          this.#fail(new UpstreamError('invalid_response', 'the answer failed here', { cause })),
      },
    }).catch((error) => this.#fail(connectError(host, port, error)))
    return promise
  }

  /** Sends a request's head, with the whole body or the body's first part. False: wait for `receiver.drain`. */
  begin(
    method: string,
    head: string,
    body: Uint8Array | undefined,
    last: boolean,
    timeouts: Timeouts,
    receiver: Receiver,
  ): boolean {
    this.requests++
    this.#method = method
    this.#timeouts = timeouts
    this.#receiver = receiver
    this.#decoder = undefined
    this.#heardAny = false
    this.#sentAll = last
    const ready = this.#outbox!.writeText(head, body)
    this.#waitForServer(ready, last)
    return ready
  }

  /** Sends more of the request's body, framed already by `before` and `after`. False: wait for `receiver.drain`. */
  send(before: string, part: Uint8Array | undefined, after: string, last: boolean): boolean {
    if (!this.#socket) return true
    this.#sentAll = last
    const ready = this.#outbox!.writeText(before, part, after)
    this.#waitForServer(ready, last)
    return ready
  }

  /** `ready`: the server has taken all that was sent. `last`: that was all there is. */
  #waitForServer(ready: boolean, last: boolean): void {
    if (!ready) this.#wait('write_timeout', this.#timeouts.write)
    else if (last && !this.#isPaused) this.#wait('read_timeout', this.#timeouts.read)
    // While the client is slow with its body, nobody waits for the server.
    else this.deadline = Infinity
  }

  pause(): void {
    if (this.#isPaused || !this.#socket) return
    this.#isPaused = true
    this.deadline = Infinity
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused || !this.#socket) return
    this.#isPaused = false
    this.#wait('read_timeout', this.#timeouts.read)
    this.#socket.resume()
  }

  /** Waits for the next request, at most `timeout` milliseconds. */
  park(timeout: number): void {
    this.parkedAt = performance.now()
    this.#wait('closed', timeout)
  }

  /** Gives the present request up. The connection cannot be used again. */
  abort(): void {
    this.#receiver = undefined
    this.#drop()
  }

  /** Leaves a tunnel: the server still gets all that was sent. */
  leave(): void {
    this.#receiver = undefined
    if (this.#outbox?.isEmpty === false) this.#isLeaving = true
    else this.#end()
  }

  expire(): void {
    const { host, port } = this.target
    const { write, read } = this.#timeouts
    switch (this.#waitsFor) {
      case 'connect_timeout':
        return this.#fail(
          new UpstreamError('connect_timeout', `no connection to ${host}:${port} in time`, {
            unsent: true,
          }),
        )
      case 'write_timeout':
        return this.#fail(
          new UpstreamError('write_timeout', `${host}:${port} took no data for ${write} ms`),
        )
      case 'read_timeout':
        return this.#fail(
          new UpstreamError('read_timeout', `${host}:${port} sent nothing for ${read} ms`),
        )
      default:
        this.#drop()
    }
  }

  #wait(fault: UpstreamFault, timeout: number): void {
    this.#waitsFor = fault
    this.deadline = performance.now() + timeout
  }

  #data(bytes: Buffer): void {
    // Bytes that nobody asked for: whatever they are, they must not be the next request's answer.
    if (!this.#receiver) return this.#drop()
    this.#heardAny = true
    if (this.#sentAll && !this.#isPaused) this.deadline = performance.now() + this.#timeouts.read
    try {
      let at = 0
      if (!this.#decoder) {
        if (this.#head) bytes = Buffer.concat([this.#head, bytes])
        at = this.#readHead(bytes)
        this.#head = at < 0 ? Buffer.from(bytes) : undefined
        if (at < 0) return
      }
      this.#readBody(bytes, at)
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error
      this.#fail(new UpstreamError('invalid_response', error.message, { cause: error }))
    }
  }

  /** Gives where the body begins, or -1 while the head is not whole. Answers before the final one are passed over. */
  #readHead(bytes: Buffer): number {
    let from = 0
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n', from, 'latin1')
      if (end - from > MAX_HEAD || (end < 0 && bytes.length > MAX_HEAD))
        throw new BadMessage('the header is too large')
      if (end < 0) {
        checkResponseBeginning(bytes, from)
        return -1
      }
      const head = parseResponseHead(bytes.toString('latin1', from, end), this.#method)
      from = end + 4
      if (head.status < 200 && head.status !== 101) continue
      const isSwitch = head.status === 101
      this.#keepAlive = head.keepAlive && head.length !== UNTIL_CLOSE && !isSwitch
      this.#decoder = new BodyDecoder(isSwitch ? UNTIL_CLOSE : head.length)
      this.#receiver!.head(head, this.#decoder.done || from < bytes.length)
      return from
    }
  }

  #readBody(bytes: Buffer, at: number): void {
    const decoder = this.#decoder!
    if (decoder.done) return this.#finish(EMPTY, at < bytes.length)
    const parts = new Parts()
    const end = decoder.feed(bytes, at, (part) => parts.add(part))
    if (decoder.done) this.#finish(parts.whole(), end < bytes.length)
    else if (!parts.isEmpty && this.#receiver && !this.#receiver.data(parts.whole(), false))
      this.pause()
  }

  /** The answer is whole. `surplus`: the server went on sending, so the connection is not to be trusted. */
  #finish(part: Uint8Array, surplus: boolean): void {
    const receiver = this.#receiver
    if (!receiver) return
    this.#receiver = undefined
    this.deadline = Infinity
    // A server that answers before it has read the whole request may never read the rest.
    const isClean = this.#sentAll && this.#outbox?.isEmpty && !surplus
    if (this.#keepAlive && isClean && this.#socket) {
      if (this.#isPaused) this.#socket.resume()
      this.#isPaused = false
      this.#owner.release(this)
    } else this.#drop()
    receiver.data(part, true)
  }

  #drain(): void {
    if (!this.#outbox) return
    if (!this.#outbox.flush()) return void this.#wait('write_timeout', this.#timeouts.write)
    if (this.#isLeaving) return this.#end()
    this.deadline = Infinity
    if (this.#sentAll && !this.#isPaused) this.#wait('read_timeout', this.#timeouts.read)
    this.#receiver?.drain()
  }

  #closed(error: Error | undefined): void {
    this.#socket = undefined
    this.#owner.deadlines.delete(this)
    this.#owner.forget(this)
    if (this.#receiver && this.#decoder?.length === UNTIL_CLOSE && !error) {
      const receiver = this.#receiver
      this.#receiver = undefined
      receiver.data(EMPTY, true)
    } else {
      const { host, port } = this.target
      const when = this.#heardAny ? 'in the middle of its answer' : 'without an answer'
      this.#fail(
        new UpstreamError('closed', `${host}:${port} closed the connection ${when}`, {
          partial: this.#heardAny,
        }),
      )
    }
  }

  #fail(error: UpstreamError): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    this.#drop()
    receiver?.fail(error)
  }

  #drop(): void {
    this.#forgotten()?.terminate()
  }

  #end(): void {
    this.#forgotten()?.end()
  }

  #forgotten(): Socket<UpstreamConnection> | undefined {
    const socket = this.#socket
    this.#socket = undefined
    this.deadline = Infinity
    this.#owner.deadlines.delete(this)
    this.#owner.forget(this)
    return socket
  }
}

function connectError(host: string, port: number, error: unknown): UpstreamError {
  const code = (error as { code?: string }).code ?? ''
  if (code === 'ENOTFOUND' || code.startsWith('EAI_') || code.startsWith('DNS_')) {
    return new UpstreamError('name_resolution_failed', `the name ${host} cannot be resolved`, {
      unsent: true,
    })
  }
  return new UpstreamError(
    'connect_failed',
    `cannot connect to ${host}:${port} (${code || 'failed'})`,
    { unsent: true },
  )
}

function identityError(name: string, socket: Socket<unknown>): Error | undefined {
  const certificate = socket.getPeerCertificate()
  return certificate
    ? checkServerIdentity(name, certificate)
    : new Error('the server sent no certificate')
}
