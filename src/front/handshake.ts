import type { Socket, SocketHandler } from 'bun'
import { X509Certificate } from 'node:crypto'
import type { Certificates, ServerTls } from './certificates.ts'
import { type ClientHello, normalName } from './client_hello.ts'
import type { Greeting, Guest } from './greeting.ts'
import type { ClientCertificate, ClientCertificateRequest } from '../client_certificate.ts'
import type { Origin } from './origin.ts'

/** What handshakes are made of; it may be another from one connection to the next. */
export interface TlsSource {
  readonly certificates: Certificates
  /** How a client that wants this host is asked for a certificate, if it is. */
  clientCertificate(serverName: string | undefined): ClientCertificateRequest | undefined
}

/** RFC 7301 §3.1: each name behind its length. A client that speaks none of them is refused. */
const HTTP_1 = Buffer.from('\x08http/1.1', 'latin1')
const HTTP_2 = Buffer.from('\x02h2\x08http/1.1', 'latin1')

export interface HandshakeOwner {
  readonly speaksHttp2: boolean
  /** The client may speak; `socket` is what it is heard on, and needs its guest. */
  done(socket: Socket<Guest>, origin: Origin): void
  /** Nobody is there to answer; why, in words. */
  failed(reason: string): void
  left(guest: Guest): void
  crashed(error: unknown): void
}

/** The part of Bun's `upgradeTLS` that its types leave out: the server's side, and bytes that were read already. */
interface UpgradableSocket {
  upgradeTLS(options: {
    isServer: true
    initialData: Uint8Array
    data: Guest
    tls: ServerTls & {
      ALPNProtocols: Uint8Array
      requestCert: boolean
      rejectUnauthorized: boolean
      ca?: readonly string[]
    }
    socket: SocketHandler<Guest>
  }): readonly [raw: Socket<Guest>, secured: Socket<Guest>]
}

/** The part of a socket with TLS that Bun's types leave out. */
interface SecureSocket {
  getPeerX509Certificate(): X509Certificate | undefined
  getPeerCertificate(isShort: boolean): Shown | undefined
}

/** A certificate, and the one that the TLS layer takes for its issuer's. */
interface Shown {
  readonly raw?: Buffer
  readonly issuerCertificate?: Shown
}

/** How BoringSSL says what is wrong with a record. */
const TLS_FAULT = /^error:[0-9a-f]+:SSL routines:[^:]*:(\w+)/i

/** More lead to no authority. */
const MAX_ISSUERS = 10

/** Begins TLS on a connection whose ClientHello was read from `bytes`. */
export function shakeHands(
  greeting: Greeting,
  hello: ClientHello,
  bytes: Buffer,
  { certificates, clientCertificate }: TlsSource,
  owner: HandshakeOwner,
): void {
  const request = clientCertificate(hello.serverName)
  const raw = greeting.socket as unknown as UpgradableSocket
  const [, secured] = raw.upgradeTLS({
    isServer: true,
    initialData: bytes,
    data: greeting,
    tls: {
      ...certificates.find(hello),
      ALPNProtocols: owner.speaksHttp2 ? HTTP_2 : HTTP_1,
      requestCert: request !== undefined,
      // Whether a certificate is good is for those who asked for it to say.
      rejectUnauthorized: false,
      ...(request?.ca && { ca: request.ca }),
    },
    socket: {
      handshake(socket, isDone, fault) {
        if (!isDone) return turnAway(owner, socket, `the handshake failed (${codeOf(fault)})`)
        const name = hello.serverName
        // Read in two ways, one message could be shown one host's certificate and be let in to another.
        if (normalName(socket.getServername() || '') !== (name ?? ''))
          return turnAway(owner, socket, 'the handshake names two hosts')
        const certificate = request && certificateOf(socket, fault)
        if (request?.isRequired && (!certificate || certificate.fault !== undefined))
          return turnAway(owner, socket, 'the client showed no certificate that is known')
        const origin: Origin = {
          scheme: 'https',
          isHttp2: socket.alpnProtocol === 'h2',
          proxiedAddress: greeting.proxiedAddress,
          serverName: name,
          clientCertificate: certificate,
        }
        owner.done(socket, origin)
      },
      data: (socket, part) => socket.data.data(part),
      drain: (socket) => socket.data.drain(),
      close: (socket) => owner.left(socket.data),
      error(socket, error) {
        // A client that breaks the rules of TLS is no fault of ours. Asked first: a closed socket has no address.
        const fault = TLS_FAULT.exec(error.message)?.[1]
        if (fault !== undefined) owner.failed(`the client broke the rules of TLS (${fault})`)
        socket.data.abort()
        if (fault === undefined) owner.crashed(error)
      },
    },
  })
  greeting.secure(secured)
}

function turnAway(owner: HandshakeOwner, socket: Socket<Guest>, reason: string): void {
  owner.failed(reason)
  socket.terminate()
}

/** What the client showed; `fault` is what the check against the authorities had to say. */
function certificateOf(socket: Socket<Guest>, fault: Error | null): ClientCertificate | undefined {
  const x509 = (socket as unknown as SecureSocket).getPeerX509Certificate()
  if (!x509) return undefined
  const issuers = issuersOf(socket as unknown as SecureSocket)
  return { pem: x509.toString(), x509, issuers, fault: fault ? codeOf(fault) : undefined }
}

function issuersOf(socket: SecureSocket): X509Certificate[] {
  const issuers: X509Certificate[] = []
  let next = socket.getPeerCertificate(false)?.issuerCertificate
  while (next?.raw && issuers.length < MAX_ISSUERS) {
    issuers.push(new X509Certificate(next.raw))
    // A root is its own.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate
  }
  return issuers
}

function codeOf(fault: Error | null): string {
  return (fault as { code?: string } | null)?.code ?? 'unknown'
}
