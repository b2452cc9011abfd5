import { loadConf } from '../conf.ts'
import { DEFAULT_SETTINGS } from '../gateway.ts'
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
  const host =
    listener.host === '0.0.0.0' ? '127.0.0.1' : listener.host === '::' ? '::1' : listener.host
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${listener.port}/status/ready`
  try {
    const fetch = createFetch(new UpstreamClient(DEFAULT_SETTINGS), undefined)
    const response = await fetch(url, { timeout: PATIENCE, keepalive: false })
    const { message } = (await response.json()) as { message?: unknown }
    process.stdout.write(`Gatehouse is ${response.ok ? 'healthy' : String(message)}\n`)
    return response.ok ? 0 : 1
  } catch {
    return reportError(`nothing answers at ${url}; is it running, with this KONG_STATUS_LISTEN?`)
  }
}
