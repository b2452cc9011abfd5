import type { HeaderList } from '../headers.ts'
import type { LogContext, ResponseContext, Secrets } from '../pdk.ts'
import { withoutSecrets } from './access_log.ts'
import { type ProxiedRequest, RequestContext } from './context.ts'

/** An answer as plugins see it, to a request that found a route or none. */
export function answerTo(
  at: RequestContext | ProxiedRequest,
  status: number,
  headers: HeaderList,
  source: ResponseContext['source'],
): ResponseContext {
  if (at instanceof RequestContext) {
    const { request, route, service, consumer, credential } = at
    return { request, route, service, consumer, credential, source, status, headers }
  }
  const nobody = {
    route: undefined,
    service: undefined,
    consumer: undefined,
    credential: undefined,
  }
  return { request: at, ...nobody, source, status, headers }
}

/** What is told when all is over; `names` are the arguments that carry a credential. */
export function logOf(
  at: RequestContext | ProxiedRequest,
  answer: ResponseContext,
  names: ReadonlySet<string>,
): LogContext {
  const { exchange } = at instanceof RequestContext ? at.request : at
  const forwarding = at instanceof RequestContext ? at.forwarding : undefined
  const { startedAt } = exchange
  const { sentAt = 0, heardAt = 0, upstreamStatus, tries = [] } = forwarding ?? {}
  const now = performance.now()
  return {
    ...answer,
    startedAt: Math.round(performance.timeOrigin + startedAt),
    latencies: {
      request: Math.round(now - startedAt),
      kong: Math.round((sentAt > 0 ? sentAt : now) - startedAt),
      proxy: heardAt > 0 ? Math.round(heardAt - sentAt) : -1,
    },
    sizes: exchange.sizes,
    upstreamStatus,
    upstreamUri: forwarding && at instanceof RequestContext ? at.upstreamUri : undefined,
    tries,
    secrets: new KnownSecrets(names),
    serializeValues: at instanceof RequestContext ? at.serializeValues : undefined,
  }
}

class KnownSecrets implements Secrets {
  readonly #names: ReadonlySet<string>

  constructor(names: ReadonlySet<string>) {
    this.#names = names
  }

  has(name: string): boolean {
    return this.#names.has(name.toLowerCase())
  }

  leaveOut(text: string): string {
    return withoutSecrets(text, this.#names)
  }
}
