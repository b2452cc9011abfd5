import type { Writable } from '../http1/outbox.ts'

/** What a `ClientConnection` asks of what it lives on: a socket of Bun's, or a stream of HTTP/2. */
export interface ClientSocket extends Writable {
  /** Nothing for a Unix socket, as the two after it. */
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly localPort: number
  pause(): void
  resume(): void
  /** No more is sent; what comes is still read. */
  shutdown(): void
  end(): void
  /** Breaks it off, so that a cut answer cannot look whole. */
  terminate(): void
}
