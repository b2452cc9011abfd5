import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type { Socket } from 'bun'
import type { Waiter } from '../http1/deadlines.ts'
import { UpstreamConnection, type UpstreamConnectionOwner } from './connection.ts'
import { UpstreamError, type UpstreamFault } from './errors.ts'
import type { Target, TargetTls } from './target.ts'

/** Opens a connection for `owner` within `timeout` milliseconds, by TLS if the target asks for it. Throws `UpstreamError`. */
export function connect(
  target: Target,
  timeout: number,
  owner: UpstreamConnectionOwner,
): Promise<UpstreamConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamConnection>()
  let socket: Socket | undefined
  let connection: UpstreamConnection | undefined
  let isOver = false

  const waiter: Waiter = {
    deadline: performance.now() + timeout,
    expire: () => fail('connect_timeout', `no connection to ${target.host}:${target.port} in time`),
  }
  function end(): void {
    isOver = true
    owner.deadlines.delete(waiter)
  }
  function opened(socket: Socket): void {
    end()
    connection = new UpstreamConnection(target, socket, owner)
    resolve(connection)
  }
  function fail(fault: UpstreamFault, message: string): void {
    if (isOver) return
    end()
    reject(new UpstreamError(fault, message, { unsent: true }))
    socket?.terminate()
  }
  function failed(error: unknown): void {
    fail(...reasonOf(error, target))
  }

  owner.deadlines.add(waiter)
  Bun.connect({
    hostname: target.host,
    port: target.port,
    ...(target.tls && { tls: tlsOptions(target.tls) }),
    socket: {
      open(opening) {
        // It comes too late: nobody waits for it any more.
        if (isOver) return void opening.terminate()
        // Kept before the handshake, so that a server which never shakes hands is left when the time is over.
        socket = opening
        if (!target.tls) opened(opening)
      },
      handshake(socket, success, authorizationError) {
        if (isOver || !target.tls) return
        const { verify, serverName } = target.tls
        const refusal = verify
          ? (authorizationError ?? identityError(serverName, socket))
          : undefined
        // Bun calls a handshake a failure for a wrong name too, which is none where nothing is checked.
        const isDone = success || (!verify && socket.getCipher()?.name !== undefined)
        if (isDone && !refusal) opened(socket)
        else fail('tls_failed', refusal?.message ?? 'the TLS handshake failed')
      },
      data: (_socket, bytes) => connection?.data(bytes),
      drain: () => connection?.drain(),
      close(_socket, error) {
        if (connection) connection.closed(error)
        else fail('closed', `${target.host}:${target.port} closed the connection without an answer`)
      },
      connectError: (_socket, error) => failed(error),
      error: (_socket, error) => (connection ? connection.crashed(error) : failed(error)),
    },
  }).catch(failed)
  return promise
}

/** How Bun is told what a target wants of TLS. */
export function tlsOptions({ serverName, verify, ca, certificate }: TargetTls) {
  return {
    // RFC 6066 §3: an address is no name to ask by.
    serverName: isIP(serverName) === 0 ? serverName : '',
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca }),
    ...certificate,
  }
}

function reasonOf(error: unknown, { host, port }: Target): [UpstreamFault, string] {
  const code = (error as { code?: string }).code ?? ''
  if (code === 'ENOTFOUND' || code.startsWith('EAI_') || code.startsWith('DNS_'))
    return ['name_resolution_failed', `the name ${host} cannot be resolved`]
  return ['connect_failed', `cannot connect to ${host}:${port} (${code || 'failed'})`]
}

/** Why the certificate of a server is not one for that name, if it is not. */
export function identityError(name: string, socket: Socket): Error | undefined {
  const certificate = socket.getPeerCertificate()
  return certificate
    ? checkServerIdentity(name, certificate)
    : new Error('the server sent no certificate')
}
