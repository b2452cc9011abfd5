import { AsyncLocalStorage } from 'node:async_hooks'
import { EXPLAIN, ExplainKey } from './explain_key.ts'
import type { RequestHead } from './http1/head.ts'
import type { Log, OutboundRequest } from './pdk.ts'
import { Trace } from './trace.ts'
import { linesOf } from './trace_record.ts'
import type { ToldCall } from './trace_words.ts'

/** Who is traced. */
export interface TracingSettings {
  /** What signs the field `Gatehouse-Explain`; without it nobody is told anything. */
  readonly explain_key?: string | undefined
  /** Whether every request is told of in the debug log. */
  readonly traces_to_log?: boolean
}

type Fetch = (url: string, request: OutboundRequest) => Promise<Response>

/** Finds the requests that are traced, and tells their traces of what they share with others. */
export class Tracing {
  /** Whether any request may be traced, but for those that the gateway is handed with a trace. */
  readonly isOn: boolean
  readonly #key: ExplainKey | undefined
  readonly #log: Log | undefined
  readonly #now = new AsyncLocalStorage<Trace>()

  constructor({ explain_key, traces_to_log = false }: TracingSettings, log: Log) {
    this.#key = explain_key === undefined ? undefined : new ExplainKey(explain_key)
    this.#log = traces_to_log ? log : undefined
    this.isOn = this.#key !== undefined || traces_to_log
  }

  /** The trace of a new request, if it has one. What asked for it is nobody else's business and taken away. */
  begin(head: RequestHead, secretNames: ReadonlySet<string>): Trace | undefined {
    const mode = this.#key && this.#takeMode(head, this.#key)
    if (mode === undefined && !this.#log) return undefined
    const isRehearsal = mode === 'rehearse'
    return new Trace({
      isRehearsal,
      isShown: mode !== undefined,
      isRoutine: mode === undefined,
      secretNames,
    })
  }

  #takeMode({ headers, method, target, host }: RequestHead, key: ExplainKey) {
    if (headers.getSpelling(EXPLAIN) === undefined) return undefined
    const [value = '', ...others] = headers.all(EXPLAIN)
    headers.deleteSpellings(EXPLAIN)
    return others.length === 0 ? key.verify(value, { method, target, host }) : undefined
  }

  /** Runs what a request does, so that what it shares with others finds its trace. */
  run(trace: Trace, go: () => void): void {
    this.#now.run(trace, go)
  }

  /** The trace of the request on whose behalf we are at work. */
  get current(): Trace | undefined {
    return this.#now.getStore()
  }

  end(trace: Trace): void {
    trace.end()
    const { record } = trace
    const { request_id } = record
    for (const line of linesOf(record))
      if (line !== '') this.#log?.debug(`trace: ${line.trimEnd()}`, { request_id })
  }

  /** The same `fetch`, which tells of its calls to the trace of the request that makes them. */
  watch(fetch: Fetch): Fetch {
    return (url, request) => {
      const trace = this.#now.getStore()
      return trace ? told(fetch, url, request, trace) : fetch(url, request)
    }
  }
}

async function told(
  fetch: Fetch,
  url: string,
  request: OutboundRequest,
  trace: Trace,
): Promise<Response> {
  const from = performance.now()
  const [outcome] = await Promise.allSettled([fetch(url, request)])
  const ms = performance.now() - from
  try {
    const { method = 'GET', body } = request
    const headers = [...new Headers(request.headers)]
    trace.called({ method, url, headers, body, ms, answer: await answerOf(outcome) })
  } catch {
    // Whatever it was, the call was made.
    trace.add({ step: 'provider', text: 'a call that cannot be told' })
  }
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

async function answerOf(outcome: PromiseSettledResult<Response>): Promise<ToldCall['answer']> {
  if (outcome.status === 'rejected') {
    const { reason } = outcome
    return reason instanceof Error ? reason.message : String(reason)
  }
  const { value } = outcome
  const type = value.headers.get('content-type') ?? ''
  return { status: value.status, type, body: await value.clone().bytes() }
}
