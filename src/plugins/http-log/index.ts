import type { Gateway, OutboundRequest, Plugin, Warning } from '../../pdk.ts'
import { logEntry } from '../log_entry.ts'
import { Queue, type QueueSettings, type QueueWork } from '../queue.ts'
import { type Config, schema } from './schema.ts'

/** Logs to an HTTP server. */
export const httpLog: Plugin<Config> = {
  name: 'http-log',
  priority: 12,
  schema,
  warnings,
  create(config, gateway) {
    const work = workOf(config, gateway)
    const queue = gateway.keep(`http-log ${gateway.id}`, () => new Queue(work))
    return {
      takeOver: () => queue.configure(work),
      log: (ctx) => queue.add(JSON.stringify(logEntry(ctx))),
    }
  },
}

function warnings({ retry_count, queue_size, flush_timeout, keepalive }: Config): Warning[] {
  const older = [
    [retry_count, 'retry_count', 'has no effect, as in Kong; see queue.max_retry_time'],
    [queue_size, 'queue_size', 'is the older name of queue.max_batch_size'],
    [flush_timeout, 'flush_timeout', 'is the older name of queue.max_coalescing_delay'],
  ] as const
  const given = older.flatMap(([value, field, message]) =>
    value === undefined ? [] : [{ fields: [field], message }],
  )
  if (keepalive === 0 || keepalive === 60_000) return given
  const message = 'accepted, not honoured (connections are kept as those to services are)'
  return [...given, { fields: ['keepalive'], message }]
}

function workOf(config: Config, gateway: Gateway): QueueWork {
  const { fetch, log, place } = gateway
  const settings = settingsOf(config)
  const { url, request } = requestOf(config, gateway)
  const { host } = new URL(url)
  return {
    settings,
    log,
    facts: { plugin: 'http-log', config: place() },
    async send(entries) {
      // As in Kong, the setting decides, not how many there are: the server knows what to expect.
      const body = settings.max_batch_size === 1 ? entries[0]! : `[${entries.join(',')}]`
      const { status } = await fetch(url, { ...request, body })
      if (status >= 300) throw new Error(`${host} answered ${status}`)
    },
  }
}

function settingsOf({ queue, queue_size = 1, flush_timeout = 2 }: Config): QueueSettings {
  return {
    ...queue,
    ...(queue_size > 1 && { max_batch_size: queue_size }),
    ...(flush_timeout !== 2 && { max_coalescing_delay: flush_timeout }),
  }
}

/** The longest that timers can count; milliseconds. */
const LONGEST = 2 ** 31 - 1

function requestOf(
  config: Config,
  { findCertificate }: Gateway,
): { url: string; request: OutboundRequest } {
  // As in Kong, it is sent as it stands, not decoded.
  const [, user] = /^\w+:\/\/([^/?#]*)@/.exec(config.http_endpoint) ?? []
  const headers = {
    ...config.headers,
    'Content-Type': config.content_type,
    ...(user !== undefined && { Authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
  }
  const id = config.client_certificate?.id
  const url = new URL(config.http_endpoint)
  url.username = url.password = ''
  return {
    url: url.href,
    request: {
      method: config.method,
      headers,
      timeout: Math.min(Math.max(1, config.timeout), LONGEST),
      ssl_verify: config.ssl_verify,
      keepalive: config.keepalive > 0,
      certificate: id === undefined ? undefined : findCertificate(id),
    },
  }
}
