import type { Awaitable, Gateway } from '../../pdk.ts'
import { type Count, type Counter, labels, Registry } from '../exposition.ts'
import type { Presented } from './admit.ts'
import type { Discovery } from './discovery.ts'
import { isConnectionFault } from './failure.ts'
import { parseIssuer } from './issuer.ts'
import { AUTH_METHODS, type MethodName } from './methods/method.ts'
import type { Refusal } from './refusal.ts'
import { type Kept, SessionError, type Sessions, type SessionStorage } from './session/index.ts'
import type { Tokens } from './tokens.ts'

/** Seconds. */
// prettier-ignore
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const CACHES = ['proofs', 'tokens', 'introspection', 'userinfo', 'discovery', 'keys'] as const
const SESSION_EVENTS = ['begun', 'refreshed', 'renewed', 'ended'] as const
const LOGIN_EVENTS = ['begun', 'finished', 'failed'] as const

/** How often something was there already, and how often it was not. */
interface Lookups {
  readonly hits: Count
  readonly misses: Count
}

/**
 * What is counted of one issuer, by all plugin entities that have it, since the start. What a request touches are the
 * counts themselves, made at load: to add one is all that it costs.
 */
export class Metrics {
  /** Callers who were let in. */
  readonly passed: Readonly<Record<MethodName, Count>>
  readonly caches: Readonly<Record<(typeof CACHES)[number], Lookups>>
  readonly #issuer: string
  readonly #requests: Counter
  readonly #sessions: Readonly<Record<(typeof SESSION_EVENTS)[number], Count>>
  readonly #logins: Readonly<Record<(typeof LOGIN_EVENTS)[number], Count>>
  readonly #registry: Registry
  /** The counts of what goes wrong, by method, outcome and reason. */
  readonly #others = new Map<string, Count>()
  readonly #renewed = new WeakSet<Kept>()

  constructor({ issuer }: { readonly issuer: string }, gateway: Pick<Gateway, 'keep'>) {
    const url = parseIssuer(issuer)?.url
    // Without the password that a URL may hold, and without the slash that makes no other issuer.
    const own = { issuer: url ? `${url.origin}${url.pathname}`.replace(/\/$/, '') : '' }
    this.#issuer = labels(own)
    this.#registry = Registry.of(gateway)
    const counts = <N extends string>(
      counter: Counter,
      label: string,
      names: readonly N[],
      more: Readonly<Record<string, string>> = {},
    ) =>
      Object.fromEntries(
        names.map((name) => [name, counter.at(labels({ ...own, ...more, [label]: name }))]),
      ) as Record<N, Count>
    this.#requests = this.#registry.counter(
      'gatehouse_oidc_requests_total',
      'Requests that openid-connect has judged, by the method, what became of them, and why.',
    )
    this.passed = Object.fromEntries(
      AUTH_METHODS.map((method) => {
        const named = labels({ ...own, method, outcome: 'passed', reason: '' })
        return [method, this.#requests.at(named)]
      }),
    ) as Record<MethodName, Count>
    const lookups = this.#registry.counter(
      'gatehouse_oidc_cache_lookups_total',
      'What was looked for in a cache, by whether it was there.',
    )
    this.caches = Object.fromEntries(
      CACHES.map((cache) => {
        const { hit, miss } = counts(lookups, 'result', ['hit', 'miss'], { cache })
        return [cache, { hits: hit, misses: miss }]
      }),
    ) as Record<(typeof CACHES)[number], Lookups>
    this.#sessions = counts(
      this.#registry.counter('gatehouse_oidc_sessions_total', 'What happened to sessions.'),
      'event',
      SESSION_EVENTS,
    )
    this.#logins = counts(
      this.#registry.counter('gatehouse_oidc_logins_total', 'Logins of browsers.'),
      'event',
      LOGIN_EVENTS,
    )
  }

  /** Counts a caller who was refused, or who goes on as the anonymous consumer. */
  refused(by: Presented, { code }: Refusal, isAnonymous: boolean): void {
    this.#count(by, isAnonymous ? 'anonymous' : 'refused', code)
  }

  /** Counts a request that was answered for a fault of ours. */
  failed(by: Presented, error: unknown): void {
    this.#count(by, 'failed', error instanceof SessionError ? error.code : 'unexpected')
  }

  #count(by: Presented, outcome: string, reason: string): void {
    const { found, method = found?.kind ?? 'none' } = by
    const key = `${method} ${outcome} ${reason}`
    let count = this.#others.get(key)
    if (!count) {
      count = this.#requests.at(`${this.#issuer},${labels({ method, outcome, reason })}`)
      this.#others.set(key, count)
    }
    count.value++
  }

  /** Makes a call to the provider and counts it; `call` is its kind. */
  async call<T extends { readonly status: number }>(
    call: string,
    make: () => Promise<T>,
  ): Promise<T> {
    const began = performance.now()
    try {
      const answer = await make()
      this.#called(call, statusOf(answer.status), began)
      return answer
    } catch (error) {
      this.#called(call, isConnectionFault(error) ? error.code : 'failed', began)
      throw error
    }
  }

  #called(call: string, status: string, began: number): void {
    this.#registry
      .counter('gatehouse_oidc_provider_requests_total', 'Calls to the provider.')
      .add(`${this.#issuer},${labels({ call, status })}`, 1)
    this.#registry
      .histogram(
        'gatehouse_oidc_provider_request_duration_seconds',
        'Seconds until the provider had answered.',
        BOUNDS,
      )
      .observe(`${this.#issuer},${labels({ call })}`, (performance.now() - began) / 1000)
  }

  /** The same discovery, which counts. */
  watchDiscovery(discovery: Discovery): Discovery {
    const { discovery: known, keys } = this.caches
    return {
      ...discovery,
      load() {
        if (discovery.current()) known.hits.value++
        else known.misses.value++
        return discovery.load()
      },
      renew(seen) {
        keys.misses.value++
        return discovery.renew(seen)
      },
      verified: () => void keys.hits.value++,
    }
  }

  /** The same tokens, which count. */
  watchTokens(tokens: Tokens): Tokens {
    const { hits, misses } = this.caches.tokens
    return {
      ...tokens,
      async redeem(...given) {
        const held = await tokens.redeem(...given)
        if (held.isCached) hits.value++
        else misses.value++
        return held
      },
    }
  }

  /** The same sessions, which count. */
  watchSessions(sessions: Sessions): Sessions {
    const { begun, refreshed, renewed, ended } = this.#sessions
    const counted = <T>(count: Count, done: Awaitable<T>): Awaitable<T> => {
      if (done instanceof Promise) return done.then((value) => (count.value++, value))
      count.value++
      return done
    }
    // Requests that come at once share one renewal.
    const countRenewal = (kept: Kept | undefined, before: string) => {
      if (!kept || kept.session.id === before || this.#renewed.has(kept)) return kept
      this.#renewed.add(kept)
      renewed.value++
      return kept
    }
    return {
      ...sessions,
      start: (...given) => counted(begun, sessions.start(...given)),
      save: (...given) => counted(refreshed, sessions.save(...given)),
      destroy: (...given) => counted(ended, sessions.destroy(...given)),
      refresh(session, request) {
        const kept = sessions.refresh(session, request)
        if (kept instanceof Promise) return kept.then((each) => countRenewal(each, session.id))
        return countRenewal(kept, session.id)
      },
      async destroyAll(which) {
        const count = await sessions.destroyAll(which)
        ended.value += count
        return count
      },
    }
  }

  /** The same storage of sessions, whose failures are counted. */
  watchStorage(storage: SessionStorage | undefined): SessionStorage | undefined {
    if (!storage) return undefined
    const failures = this.#registry.counter(
      'gatehouse_oidc_session_storage_failures_total',
      'What the storage of sessions could not be asked.',
    )
    const names = ['get', 'set', 'shorten', 'delete', 'find'] as const
    const watched = names.map((operation) => {
      const count = failures.at(`${this.#issuer},${labels({ operation })}`)
      const ask = storage[operation].bind(storage) as (...given: unknown[]) => Promise<unknown>
      const counted = (...given: unknown[]) =>
        ask(...given).catch((error: unknown) => {
          count.value++
          throw error
        })
      return [operation, counted]
    })
    return Object.fromEntries(watched) as unknown as SessionStorage
  }

  /** The same logins, which count. */
  watchLogin<L extends Logins>(login: L): L {
    const { begun, finished, failed } = this.#logins
    const watch =
      <A extends readonly unknown[], T>(go: (...given: A) => Promise<T>, count: Count) =>
      async (...given: A): Promise<T> => {
        try {
          const done = await go(...given)
          // What answers no login gives nothing.
          if (done !== undefined) count.value++
          return done
        } catch (error) {
          failed.value++
          throw error
        }
      }
    return { ...login, begin: watch(login.begin, begun), finish: watch(login.finish, finished) }
  }
}

/** Logs browsers in, in two requests. */
interface Logins {
  begin(...given: never[]): Promise<unknown>
  finish(...given: never[]): Promise<unknown>
}

/** A provider may answer any number; the labels stay few. */
function statusOf(status: number): string {
  return status >= 100 && status <= 599 ? String(status) : 'other'
}
