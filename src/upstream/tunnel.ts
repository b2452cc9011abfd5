import type { Socket } from 'bun'
import type { Waiter } from '../http1/deadlines.ts'
import { identityError, tlsOptions } from './connect.ts'
import { UpstreamConnection, type UpstreamConnectionOwner } from './connection.ts'
import { UpstreamError, type UpstreamFault } from './errors.ts'
import type { Address, Target, TargetTls } from './target.ts'

/** A proxy that opens tunnels. */
export interface Proxy extends Address {
  /** What it is sent as `Proxy-Authorization`. */
  readonly authorization: string | undefined
}

/** More than any proxy says when it opens a tunnel; bytes. */
const MAX_HEAD = 16 * 1024

/**
 * Opens a TLS connection for `owner` through a proxy (RFC 9110 §9.3.6) within `timeout` milliseconds: the proxy sees only
 * where it goes. Throws `UpstreamError`.
 */
export function connectThrough(
  proxy: Proxy,
  target: Target & { readonly tls: TargetTls },
  timeout: number,
  owner: UpstreamConnectionOwner,
): Promise<UpstreamConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamConnection>()
  const place = `the proxy ${proxy.host}:${proxy.port}`
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  let plain: Socket | undefined
  let connection: UpstreamConnection | undefined
  let head = ''
  let isUpgraded = false
  let isOver = false

  const waiter: Waiter = {
    deadline: performance.now() + timeout,
    expire: () => fail('connect_timeout', `no connection through ${place} in time`),
  }
  function end(): void {
    isOver = true
    owner.deadlines.delete(waiter)
  }
  function fail(fault: UpstreamFault, message: string): void {
    if (isOver) return
    end()
    reject(new UpstreamError(fault, message, { unsent: true }))
    plain?.terminate()
  }

  /** Reads the proxy's answer; what follows it is the server's, which sends nothing before the handshake begins. */
  function read(bytes: Buffer): void {
    if (isUpgraded || isOver) return
    head += bytes.toString('latin1')
    const isWhole = head.includes('\r\n\r\n')
    if (!isWhole && head.length <= MAX_HEAD) return
    const [, status = ''] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? []
    if (!isWhole || status === '')
      return fail('invalid_response', `${place} gave no answer of HTTP`)
    if (!status.startsWith('2')) return fail('connect_failed', `${place} answered ${status}`)
    if (!head.endsWith('\r\n\r\n')) return fail('invalid_response', `${place} sent too much`)
    isUpgraded = true
    plain!.upgradeTLS({ data: undefined, tls: tlsOptions(target.tls), socket: secured })
  }

  const secured = {
    handshake(socket: Socket, success: boolean, authorizationError: Error | null) {
      if (isOver) return
      const { verify, serverName } = target.tls
      const refusal = verify ? (authorizationError ?? identityError(serverName, socket)) : undefined
      const isDone = success || (!verify && socket.getCipher()?.name !== undefined)
      if (!isDone || refusal)
        return fail('tls_failed', refusal?.message ?? 'the TLS handshake failed')
      end()
      connection = new UpstreamConnection(target, socket, owner)
      resolve(connection)
    },
    data: (_socket: Socket, bytes: Buffer) => connection?.data(bytes),
    drain: () => connection?.drain(),
    close(_socket: Socket, error?: Error) {
      if (connection) connection.closed(error)
      else fail('closed', `the connection through ${place} was closed before the TLS handshake`)
    },
    error: (_socket: Socket, error: Error) =>
      connection ? connection.crashed(error) : fail('tls_failed', error.message),
  }

  owner.deadlines.add(waiter)
  Bun.connect({
    hostname: proxy.host,
    port: proxy.port,
    socket: {
      open(opening) {
        if (isOver) return void opening.terminate()
        plain = opening
        const { authorization } = proxy
        const login = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`
        opening.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`)
      },
      data: (_socket, bytes) => read(bytes),
      close: () => fail('closed', `${place} closed the connection`),
      connectError: () => fail('connect_failed', `cannot connect to ${place}`),
      error: () => fail('connect_failed', `the connection to ${place} failed`),
    },
  }).catch(() => fail('connect_failed', `cannot connect to ${place}`))
  return promise
}
