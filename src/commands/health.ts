import { loadConf } from '../conf.ts'
import { DEFAULT_SETTINGS } from '../gateway.ts'
import { type ListenAddress, writtenAddress } from '../listen.ts'
import { UpstreamClient } from '../upstream/client.ts'
import { createFetch } from '../upstream/fetch.ts'
import { help } from './help.ts'
import { reportError, reportFaults } from './report.ts'
import { readOptions } from './usage.ts'

/** How long the gateway may take to say that it is ready; milliseconds. */
const PATIENCE = 3_000

/** `gatehouse health`: asks the gateway of this machine, where `KONG_STATUS_LISTEN` says that it tells. */
export async function health(args: string[]): Promise<number> {
  if (readOptions(args, { help: { type: 'boolean' } }).help) return help()
  const loaded = loadConf({ env: process.env })
  if (loaded.faults) return reportFaults(loaded.faults)
  const [listener] = loaded.conf.status_listen
  if (!listener) {
    return reportError('status_listen is off, so nobody can tell; set KONG_STATUS_LISTEN')
  }
  const url = urlOf(listener)
  try {
    const response = await ask(url, listener.unix)
    const { message } = (await response.json()) as { message?: unknown }
    process.stdout.write(`Gatehouse is ${response.ok ? 'healthy' : String(message)}\n`)
    return response.ok ? 0 : 1
  } catch {
    const place = listener.unix === undefined ? url : writtenAddress(listener)
    return reportError(`nothing answers at ${place}; is it running, with this KONG_STATUS_LISTEN?`)
  }
}

/** Where this machine reaches an address that it listens on. */
function urlOf(listener: ListenAddress): string {
  const { ssl = false, unix } = listener
  const host = unix === undefined ? (THIS_MACHINE[listener.host] ?? listener.host) : 'localhost'
  const place = unix === undefined ? writtenAddress({ host, port: listener.port }) : host
  return `${ssl ? 'https' : 'http'}://${place}/status/ready`
}

const THIS_MACHINE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** The certificate is not checked: it may be one that the gateway has made, and nothing secret is sent. */
function ask(url: string, unix: string | undefined): Promise<Response> {
  if (unix !== undefined) {
    const signal = AbortSignal.timeout(PATIENCE)
    return fetch(url, { unix, signal, tls: { rejectUnauthorized: false } })
  }
  const ask = createFetch(new UpstreamClient(DEFAULT_SETTINGS), undefined)
  return ask(url, { timeout: PATIENCE, keepalive: false, ssl_verify: false })
}
