import type { Awaitable, ClientRequest, Gateway } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { andThen } from '../awaitable.ts'
import { hashOfAll } from '../hash.ts'
import { parseIssuer } from '../issuer.ts'
import { cookieAttributes, readCookies, type SetCookies } from './cookies.ts'
import type { Part, SessionData } from './data.ts'
import { createEnvelopes } from './envelope.ts'
import { SessionError } from './fault.ts'
import { factOf, headerOf } from './facts.ts'
import type { fields } from './fields.ts'
import { after, Jar, LONGEST, type Opened, type Surroundings } from './jar.ts'
import { digest, issuerName, ownerNames } from './owners.ts'
import { Revocations } from './revocations.ts'
import { deriveKey } from './sealed.ts'
import type { Kept, Session, Sessions } from './session.ts'
import type { SessionStorage } from './storage.ts'
import { createStorage } from './storages.ts'
import { createTrust, type TrustSettings } from './trust.ts'

type Settings = Config<typeof fields> &
  TrustSettings & {
    readonly issuer: string
    readonly client_id?: readonly string[] | undefined
  }

/** Milliseconds between two times that the use of a session is noted. */
const TOUCH = 60_000
/** Seconds for which what was replaced is good for requests that are on their way. */
const STALE = 10

/** All cookies together, in characters: a request's head with more would be refused, and so would each after it. */
const MAX_COOKIES = 28 * 1024

/** Prepares the sessions of a configuration. With `storage` undefined they are in their cookies. */
export function createSessions(
  config: Settings,
  gateway: Pick<Gateway, 'ca' | 'cache' | 'keep' | 'log' | 'now' | 'secrets'>,
  storage: SessionStorage | undefined = createStorage(config, gateway),
): Sessions {
  const { session_audience: audience, session_bind: binds = [], client_id: clients = [] } = config
  const { now } = gateway
  const secrets = gateway.secrets('session', config.session_secret)
  const issuer = issuerName(parseIssuer(config.issuer)?.url.href ?? config.issuer)
  const trust = createTrust(config, issuer)
  const revocations = gateway.keep('oidc:session-revocations', () => new Revocations(now))
  const renewals = gateway.cache<Kept>('oidc:session-renewals')
  const views = new WeakMap<Opened, Session>()
  const memory = new WeakMap<object, { cookie: string; bound: string; session: Session }>()
  const attributes = cookieAttributes({
    domain: config.session_cookie_domain,
    path: config.session_cookie_path,
    same_site: config.session_cookie_same_site,
    secure: config.session_cookie_secure,
    http_only: config.session_cookie_http_only,
  })

  const sessionJar = jar(config.session_cookie_name, false, {
    idling: config.session_idling_timeout,
    rolling: config.session_rolling_timeout,
    absolute: config.session_absolute_timeout,
  })
  const rememberJar = config.session_remember
    ? jar(config.session_remember_cookie_name, true, {
        idling: 0,
        rolling: config.session_remember_rolling_timeout,
        absolute: config.session_remember_absolute_timeout,
      })
    : undefined
  const jars = rememberJar ? [sessionJar, rememberJar] : [sessionJar]
  const cookieNames = jars.flatMap(({ names }) => names)
  const nameSet = new Set(cookieNames)

  function jar(name: string, isLasting: boolean, timeouts: Jar['timeouts']): Jar {
    // For another issuer, or under another name, a cookie is worth nothing.
    const context = [name, issuer]
    const keys = secrets.map((secret) => deriveKey(secret, 'session cache').toString('base64'))
    return new Jar({
      name,
      isLasting,
      timeouts,
      envelopes: createEnvelopes(secrets, context),
      fingerprint: hashOfAll(...context, ...keys),
      storage,
      hashesKeys: config.session_hash_storage_key,
      cache: gateway.cache('oidc:sessions'),
      now,
      ownersOf,
    })
  }

  /** The names that a session can be found by in the storage. */
  function ownersOf({ audience, subject, data }: Part): readonly string[] {
    const owners = ownerNames(data.iss ?? issuer, subject, data.sid)
    if (!config.session_store_metadata || subject === undefined) return owners
    const shown = config.session_hash_subject ? digest(subject) : encodeURIComponent(subject)
    const name = `${config.session_cookie_name}:${encodeURIComponent(audience)}:${shown}`
    return name.length > 150 ? owners : [...owners, name]
  }

  function boundOf({ ip, scheme, headers }: ClientRequest): string {
    if (binds.length === 0) return ''
    return JSON.stringify([
      binds.includes('ip') ? ip : null,
      binds.includes('scheme') ? scheme : null,
      binds.includes('user-agent') ? (headers.get('user-agent') ?? '') : null,
    ])
  }

  function surroundingsOf(request: ClientRequest): Surroundings {
    return {
      bound: boundOf(request),
      attributes: attributes(request.scheme),
      brought: readCookies(request.headers, nameSet),
    }
  }

  function goodView(source: Opened | undefined): Session | undefined {
    const session = view(source)
    return session && isGood(session) ? session : undefined
  }

  /** What a session is for this application, if it is one for it at all; of one cookie always the same object. */
  function view(source: Opened | undefined): Session | undefined {
    const known = source && views.get(source)
    if (known) return known
    const session = viewOf(source)
    if (source && session) views.set(source, session)
    return session
  }

  function viewOf(source: Opened | undefined): Session | undefined {
    const part = source?.parts.find((each) => each.audience === audience)
    if (!source || !part || !trust.takes(part)) return undefined
    const client = clientOf(part)
    if (client === undefined) return undefined
    const { id } = source.head
    return {
      id,
      key: source.key,
      data: client === part.data.client ? part.data : { ...part.data, client },
      subject: part.subject,
      ends: {
        ...source.jar.endsOf(source.head),
        absolute: after(part.created, source.jar.timeouts.absolute),
      },
      source,
    }
  }

  /** Which of our clients the tokens are of. Who has none of his own takes what any has got. */
  function clientOf({ client_id }: Part): number | undefined {
    if (clients.length === 0) return 0
    const at = client_id === undefined ? -1 : clients.indexOf(client_id)
    return at < 0 ? undefined : at
  }

  function isGood({ id, ends, source }: Session): boolean {
    const at = now()
    if (Math.min(ends.idling, ends.rolling, ends.absolute) <= at) return false
    return revocations.isEmpty || !isRevoked(id, partOf(source), at)
  }

  function isRevoked(id: string, part: Part | undefined, at: number): boolean {
    if (revocations.hasEnded(id, at) || !part) return true
    const { subject, data, created } = part
    return ownerNames(data.iss ?? issuer, subject, data.sid).some((owner) =>
      revocations.hasEndedAll(owner, created),
    )
  }

  function partOf({ parts }: Opened): Part | undefined {
    return parts.find((each) => each.audience === audience)
  }

  function open(request: ClientRequest): Awaitable<Session | undefined> {
    const cookie = soleCookie(request)
    const bound = boundOf(request)
    const last = cookie === undefined ? undefined : memory.get(request.connection)
    if (last && last.cookie === cookie && last.bound === bound && isGood(last.session))
      return last.session
    const brought = readCookies(request.headers, nameSet)
    if (brought.size === 0) return undefined
    return andThen(sessionJar.open(brought, bound), (opened) => {
      const session = goodView(opened)
      if (session && cookie !== undefined && !storage)
        memory.set(request.connection, { cookie, bound, session })
      if (session || !rememberJar) return session
      return andThen(rememberJar.open(brought, bound), goodView)
    })
  }

  /** Lets a session end soon: what is stored, and copies of its cookie. */
  function retire(opened: Opened | undefined, seconds: number): Awaitable<void> {
    if (!opened) return undefined
    endHere(opened, now() + seconds * 1000)
    return opened.jar.drop(opened, seconds)
  }

  /** Has this process take a session no more from `at` on. */
  function endHere({ jar, head, parts }: Opened, at: number): void {
    const newest = Math.max(...parts.map(({ created }) => created))
    const ends = Math.min(jar.endsOf(head).rolling, after(newest, jar.timeouts.absolute))
    revocations.end(head.id, at, Math.min(ends, after(now(), LONGEST)))
  }

  /** Writes both cookies; `old` are those that are replaced, by their ids or under new ones. */
  function write(
    session: { readonly parts: readonly Part[]; readonly old: Opened | undefined },
    remembered: { readonly parts: readonly Part[]; readonly old: Opened | undefined } | undefined,
    around: Surroundings,
  ): Awaitable<Kept> {
    return andThen(sessionJar.write(session.old?.head ?? {}, session.parts, around), (first) => {
      const kept = (cookies: SetCookies): Kept => {
        if (cookies.reduce((sum, { length }) => sum + length, 0) > MAX_COOKIES)
          throw new SessionError('session_too_large')
        // Even if it was over in the meantime: that is for the next request to find out.
        return { session: view(first.opened)!, cookies }
      }
      if (first.isOver) endHere(first.opened, now())
      if (!rememberJar || !remembered || first.isOver) return kept(first.cookies)
      const second = rememberJar.write(remembered.old?.head ?? {}, remembered.parts, around)
      return andThen(second, ({ cookies }) => kept([...first.cookies, ...cookies]))
    })
  }

  function start(
    request: ClientRequest,
    data: SessionData,
    subject: string | undefined,
    before?: Session,
  ): Awaitable<Kept> {
    const around = surroundingsOf(request)
    const part: Part = {
      audience,
      subject,
      client_id: clients[data.client],
      created: now(),
      data,
      ...trust.markOf(data),
    }
    return withOld(before, around, (old, remembered) => {
      const parts = [...othersIn(old ?? remembered, subject), part]
      const fresh = { parts, old: undefined }
      return andThen(write(fresh, fresh, around), (kept) =>
        andThen(retire(old, STALE), () => andThen(retire(remembered, STALE), () => kept)),
      )
    })
  }

  /** What other applications keep in the same cookie. */
  function othersIn(opened: Opened | undefined, subject: string | undefined): readonly Part[] {
    return (opened?.parts ?? []).filter(
      (part) =>
        part.audience !== audience &&
        (!config.session_enforce_same_subject || part.subject === subject),
    )
  }

  /** Opens what a request brings of either cookie, whichever application it is for. */
  function withOld<T>(
    before: Session | undefined,
    { brought, bound }: Surroundings,
    go: (old: Opened | undefined, remembered: Opened | undefined) => Awaitable<T>,
  ): Awaitable<T> {
    const known = (jar: Jar | undefined): Awaitable<Opened | undefined> =>
      before && before.source.jar === jar ? before.source : jar?.open(brought, bound)
    return andThen(known(sessionJar), (old) =>
      andThen(known(rememberJar), (remembered) => go(alive(old), alive(remembered))),
    )
  }

  function alive(opened: Opened | undefined): Opened | undefined {
    return opened && revocations.hasEnded(opened.head.id, now()) ? undefined : opened
  }

  function save(session: Session, request: ClientRequest, data: SessionData): Awaitable<Kept> {
    const around = surroundingsOf(request)
    const { source } = session
    const before = partOf(source)!
    const mark = trust.markOf(data, before)
    const part = { ...before, client_id: clients[data.client], data, ...mark }
    const parts = replaced(source.parts, part)
    if (source.jar === rememberJar) return restore(source, parts, around)
    if (!rememberJar || !alive(source)) return write({ parts, old: source }, undefined, around)
    return andThen(rememberJar.open(around.brought, around.bound), (found) => {
      const remembered = alive(found)
      const created = remembered && partOf(remembered)?.created
      const lasting = { ...part, created: created ?? part.created }
      return write(
        { parts, old: source },
        { parts: replaced(remembered?.parts ?? parts, lasting), old: remembered },
        around,
      )
    })
  }

  function refresh(session: Session, request: ClientRequest): Awaitable<Kept | undefined> {
    const { source } = session
    const { head } = source
    if (!alive(source)) return undefined
    const { idling, rolling } = sessionJar.timeouts
    const age = now() - head.started
    const isRemembered = source.jar === rememberJar
    const isDue = isRemembered || (rolling > 0 && age >= rolling * 750)
    if (isDue) return renewOnce(session, request)
    if (source.isOutdated) return survive(() => save(session, request, session.data))
    if (idling <= 0 || now() - head.used < Math.min(TOUCH, idling * 250)) return undefined
    return { session, cookies: sessionJar.touch(source, surroundingsOf(request)) }
  }

  /** Requests that come at once with one cookie get one new cookie. */
  function renewOnce(session: Session, request: ClientRequest): Awaitable<Kept | undefined> {
    const key = hashOfAll(session.key, audience, attributes(request.scheme))
    const known = renewals.get(key)
    if (known) return known
    const renew = () =>
      andThen(renewed(session, request), (kept) => {
        renewals.set(key, kept, STALE)
        return kept
      })
    return survive(storage ? () => renewals.once(key, async () => renew()) : renew)
  }

  /** A renewal that fails is no fault of the request: its session is good, and the next one tries again. */
  function survive<T>(go: () => Awaitable<T>): Awaitable<T | undefined> {
    try {
      const done = go()
      return done instanceof Promise ? done.catch(forgive) : done
    } catch (error) {
      return forgive(error)
    }
  }

  function forgive(error: unknown): undefined {
    if (!(error instanceof SessionError)) throw error
    gateway.log.warn('a session was not renewed', { code: 'session_not_renewed', cause: error })
  }

  function renewed({ source }: Session, request: ClientRequest): Awaitable<Kept> {
    const around = surroundingsOf(request)
    if (source.jar === rememberJar) return restore(source, source.parts, around)
    return andThen(write({ parts: source.parts, old: undefined }, undefined, around), (kept) =>
      andThen(retire(source, STALE), () => kept),
    )
  }

  /**
   * Begins a session anew from what was remembered. An application that has ended does not begin again with the others;
   * ours, if it ends meanwhile, stays as old as it is. What is over altogether by now serves this request alone.
   */
  function restore(source: Opened, parts: readonly Part[], around: Surroundings): Awaitable<Kept> {
    const current = storage ? source.jar.open(around.brought, around.bound) : source
    return andThen(current, (found) => {
      if (alive(found)?.head.id === source.head.id) return restoreNow(source, parts, around)
      const last = { ...source, parts, key: hashOfAll(source.key, 'over') }
      return { session: view(last)!, cookies: [] }
    })
  }

  function restoreNow(
    source: Opened,
    parts: readonly Part[],
    around: Surroundings,
  ): Awaitable<Kept> {
    const left = parts.filter((part) => part.audience === audience || isAlive(part, source))
    const fresh = left.map((part) => (isAlive(part, source) ? { ...part, created: now() } : part))
    const written = write({ parts: fresh, old: undefined }, { parts: left, old: undefined }, around)
    return andThen(written, (kept) => andThen(retire(source, STALE), () => kept))
  }

  function isAlive(part: Part, { head, jar }: Opened): boolean {
    const at = now()
    return after(part.created, jar.timeouts.absolute) > at && !isRevoked(head.id, part, at)
  }

  function destroy(session: Session, request: ClientRequest): Awaitable<SetCookies> {
    const around = surroundingsOf(request)
    return withOld(session, around, (old, remembered) =>
      andThen(end(sessionJar, old, around), (first) =>
        andThen(rememberJar ? end(rememberJar, remembered, around) : [], (second) => [
          ...first,
          ...second,
        ]),
      ),
    )
  }

  /** Ends this application's part in one cookie; the others go on under a new id. */
  function end(jar: Jar, old: Opened | undefined, around: Surroundings): Awaitable<SetCookies> {
    const others = (old?.parts ?? []).filter((part) => part.audience !== audience)
    const written =
      old && others.length > 0
        ? andThen(
            jar.write({ started: old.head.started }, others, around),
            ({ cookies }) => cookies,
          )
        : jar.deleteCookies(around)
    return andThen(written, (cookies) => andThen(retire(old, 0), () => cookies))
  }

  return {
    cookieNames,
    requestHeaders: (config.session_request_headers ?? []).map(headerOf),
    open,
    refresh,
    start,
    save,
    destroy,
    async destroyAll({ iss, sub, sid }) {
      const [owner] =
        sid === undefined ? ownerNames(iss, sub, undefined) : ownerNames(iss, undefined, sid)
      if (owner === undefined) return 0
      const limits = jars.map(({ timeouts: { absolute } }) => absolute || LONGEST)
      revocations.endAll(owner, now(), after(now(), Math.max(...limits)))
      let count = 0
      for (const jar of jars) {
        const dropped = await jar.dropAll(owner)
        if (jar === sessionJar) count = dropped
      }
      return count
    },
    facts(session, whither) {
      const names =
        whither === 'request' ? config.session_request_headers : config.session_response_headers
      if (names === undefined || names.length === 0) return NO_FACTS
      return names.flatMap((name): [string, string][] => {
        const value = factOf(session, name, audience, now())
        return value === undefined ? [] : [[headerOf(name), value]]
      })
    },
  }
}

const NO_FACTS: readonly [string, string][] = []

function replaced(parts: readonly Part[], part: Part): readonly Part[] {
  return [...parts.filter(({ audience }) => audience !== part.audience), part]
}

/** The one `Cookie` of a request; nothing if there are more, as HTTP/2 allows. */
function soleCookie({ headers }: ClientRequest): string | undefined {
  let sole: string | undefined
  for (const { lower, value } of headers.fields) {
    if (lower !== 'cookie') continue
    if (sole !== undefined) return undefined
    sole = value
  }
  return sole
}
