import { isIP } from 'node:net'
import { checkServerIdentity, connect } from 'node:tls'
import type { ServerCertificate } from '../pdk.ts'
import type { Address } from './target.ts'

/**
 * Looks at the certificate of a server: connects to `place`, and asks for `name`. `ca` is PEM of the authorities that are
 * trusted in place of the built-in ones, `timeout` is in milliseconds. Nothing if there is no connection.
 */
export function lookAtCertificate(
  place: Address,
  name: string,
  ca: string | undefined,
  timeout: number,
): Promise<ServerCertificate | undefined> {
  const { promise, resolve } = Promise.withResolvers<ServerCertificate | undefined>()
  const timer = setTimeout(() => resolve(undefined), timeout)
  const socket = connect({
    ...place,
    // RFC 6066 §3: an address is no name to ask by.
    ...(isIP(name) === 0 && { servername: name }),
    rejectUnauthorized: false,
    ...(ca !== undefined && { ca }),
  })
  socket.on('error', () => resolve(undefined))
  socket.on('close', () => resolve(undefined))
  socket.on('secureConnect', () => {
    const certificate = socket.getPeerCertificate()
    const ends = Date.parse(certificate.valid_to)
    const misnamed = checkServerIdentity(name, certificate)
    // An error for some runtimes, a code for others.
    const refusal: unknown = socket.authorizationError
    resolve({ ends, fault: faultOf(misnamed, refusal, ends) })
  })
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}

function faultOf(
  misnamed: Error | undefined,
  refusal: unknown,
  ends: number,
): ServerCertificate['fault'] {
  if (ends <= Date.now()) return { kind: 'expired', message: 'its time is over' }
  if (misnamed) return { kind: 'name', message: misnamed.message }
  if (!refusal) return undefined
  return { kind: 'trust', message: refusal instanceof Error ? refusal.message : String(refusal) }
}
