import { randomBytes } from 'node:crypto'
import type { Awaitable, Cache } from '../../../pdk.ts'
import { hashOf, hashOfAll } from '../hash.ts'
import { chunkNames, readChunks, writeChunks, writeFirstChunk } from './chunks.ts'
import { decodeContent, encodeContent } from './content.ts'
import { type Cookies, deletedCookie, type SetCookies } from './cookies.ts'
import type { Part } from './data.ts'
import { type Envelope, type Envelopes, type Head, lengthOf } from './envelope.ts'
import { SessionError } from './fault.ts'
import type { SessionStorage } from './storage.ts'

/** Seconds; 0 is no limit. */
export interface Timeouts {
  readonly idling: number
  readonly rolling: number
  readonly absolute: number
}

/** A session as its cookie and its storage have it, with all its applications. */
export interface Opened {
  readonly jar: Jar
  readonly head: Head
  readonly box: Uint8Array | undefined
  readonly parts: readonly Part[]
  /** Another one for every other cookie and content. */
  readonly key: string
  readonly isOutdated: boolean
}

/** What of a request enters its cookies. */
export interface Surroundings {
  readonly bound: string
  readonly attributes: string
  readonly brought: Cookies
}

interface JarParts {
  readonly name: string
  readonly timeouts: Timeouts
  /** Whether the browser keeps the cookie when it ends. */
  readonly isLasting: boolean
  readonly envelopes: Envelopes
  /** What all that the cookie was made for is called in caches. */
  readonly fingerprint: string
  readonly storage: SessionStorage | undefined
  readonly hashesKeys: boolean
  readonly cache: Cache<Opened>
  readonly now: () => number
  ownersOf(part: Part): readonly string[]
}

/** What browsers keep a cookie for at most; seconds. */
export const LONGEST = 400 * 86_400
/** How long what was opened is remembered; seconds. It is checked against the clock each time. */
const REMEMBERED = 900
const MAX_STORED = 1024 * 1024

/** The cookies of one name: reads sessions from them and writes sessions to them. */
export class Jar {
  readonly names: readonly string[]
  readonly timeouts: Timeouts
  readonly #parts: JarParts

  constructor(parts: JarParts) {
    this.names = chunkNames(parts.name)
    this.timeouts = parts.timeouts
    this.#parts = parts
  }

  /** The first good session of the cookies. Throws `SessionError`; gives a promise only with a storage. */
  open(brought: Cookies, bound: string): Awaitable<Opened | undefined> {
    const { storage } = this.#parts
    if (storage) return this.#openStored(storage, brought, bound)
    for (const text of readChunks(this.names, brought, lengthOf)) {
      const opened = this.#openText(text, bound)
      if (opened) return opened
    }
    return undefined
  }

  /** When the session ends if it is not used or renewed; milliseconds since the epoch, or Infinity. */
  endsOf({ started, used }: Head): { readonly idling: number; readonly rolling: number } {
    const { idling, rolling } = this.timeouts
    return { idling: after(used, idling), rolling: after(started, rolling) }
  }

  /**
   * Writes a session, in the place of one of the same id if there is one: with `isOver` that was gone from the storage,
   * and nothing was written. Throws `SessionError`.
   */
  write(
    { id, started }: Partial<Pick<Head, 'id' | 'started'>>,
    parts: readonly Part[],
    { bound, attributes, brought }: Surroundings,
  ): Awaitable<{
    readonly opened: Opened
    readonly cookies: SetCookies
    readonly isOver: boolean
  }> {
    const { envelopes, storage, now } = this.#parts
    const used = now()
    const head: Head = {
      id: id ?? randomBytes(32).toString('base64url'),
      started: started ?? used,
      used,
      isStored: storage !== undefined,
    }
    const key = this.#storageKey(head.id)
    const sealed = envelopes.close(encodeContent(parts), key)
    const box = storage ? undefined : sealed
    const text = envelopes.write(head, box, bound)
    const ttl = this.#ttlOf(head, parts)
    const cookies = writeChunks(this.names, text, attributes, this.#lasting(ttl), brought)
    if (!cookies || sealed.length > MAX_STORED) throw new SessionError('session_too_large')
    const opened: Opened = {
      jar: this,
      head,
      box,
      parts,
      key: this.#keyOf(text, bound, storage && sealed),
      isOutdated: false,
    }
    if (!storage) return { opened, cookies, isOver: false }
    const put = storage.set(key, sealed, ttl, this.#owners(parts), id !== undefined)
    // What is over keeps its cookies as they are: they may be those of a new login by now.
    return orFail(put).then((isPut) => ({ opened, cookies: isPut ? cookies : [], isOver: !isPut }))
  }

  /** Says in the cookie that the session is used now. */
  touch({ head, box }: Opened, { bound, attributes, brought }: Surroundings): SetCookies {
    const { envelopes, now } = this.#parts
    const text = envelopes.write({ ...head, used: now() }, box, bound)
    return writeFirstChunk(this.names, text, attributes, brought)
  }

  /** Drops a session from the storage, at once or after some seconds. Throws `SessionError`. */
  drop({ head, parts }: Opened, seconds = 0): Awaitable<void> {
    const { storage } = this.#parts
    if (!storage) return undefined
    const key = this.#storageKey(head.id)
    const dropped =
      seconds > 0 ? storage.shorten(key, seconds) : storage.delete(key, this.#owners(parts))
    return orFail(dropped)
  }

  /** Ends all stored sessions of an owner; gives their number. Throws `SessionError`. */
  async dropAll(owner: string): Promise<number> {
    const { storage, envelopes } = this.#parts
    if (!storage) return 0
    const name = `${this.#parts.name}:`
    let count = 0
    for (const key of await orFail(storage.find(owner))) {
      if (!key.startsWith(name)) continue
      const sealed = await orFail(storage.get(key))
      const content = sealed && envelopes.open(sealed, key)
      const parts = content && decodeContent(content)
      // What is sealed with another secret is another gateway's to end.
      if (sealed && !parts) continue
      await orFail(storage.delete(key, parts ? this.#owners(parts) : [owner]))
      if (parts) count++
    }
    return count
  }

  /** Deletes the cookies that were brought. */
  deleteCookies({ brought, attributes }: Surroundings): SetCookies {
    return this.names
      .filter((name) => brought.has(name))
      .map((name) => deletedCookie(name, attributes))
  }

  #openText(text: string, bound: string): Opened | undefined {
    const { cache, envelopes } = this.#parts
    const key = this.#keyOf(text, bound, undefined)
    const known = cache.get(key)
    if (known && this.#isOver(known.head)) return undefined
    if (known?.jar === this) return known
    // Another plugin, or this one before a reload, has opened it: the same, but for the timeouts.
    if (known) return this.#remember(text, { ...known, jar: this })
    const envelope = envelopes.read(text, bound)
    if (!envelope?.box || this.#isOver(envelope.head)) return undefined
    const opened = this.#opened(envelope, envelope.box, key)
    return opened && this.#remember(text, opened)
  }

  #remember(text: string, opened: Opened): Opened {
    this.#parts.cache.set(opened.key, opened, REMEMBERED, 512 + 4 * text.length)
    return opened
  }

  async #openStored(
    storage: SessionStorage,
    brought: Cookies,
    bound: string,
  ): Promise<Opened | undefined> {
    for (const text of readChunks(this.names, brought, lengthOf)) {
      const envelope = this.#parts.envelopes.read(text, bound)
      if (!envelope?.head.isStored || this.#isOver(envelope.head)) continue
      const sealed = await orFail(storage.get(this.#storageKey(envelope.head.id)))
      const opened = sealed && this.#opened(envelope, sealed, this.#keyOf(text, bound, sealed))
      if (opened) return opened
    }
    return undefined
  }

  #opened(envelope: Envelope, sealed: Uint8Array, key: string): Opened | undefined {
    const content = this.#parts.envelopes.open(sealed, this.#storageKey(envelope.head.id))
    const parts = content && decodeContent(content)
    return parts && { jar: this, ...envelope, parts, key }
  }

  #isOver(head: Head): boolean {
    const { idling, rolling } = this.endsOf(head)
    return Math.min(idling, rolling) <= this.#parts.now()
  }

  #ttlOf({ started }: Head, parts: readonly Part[]): number {
    const { rolling, absolute } = this.timeouts
    const newest = Math.max(...parts.map(({ created }) => created))
    const ends = Math.min(after(started, rolling), after(newest, absolute))
    return ends === Infinity ? 0 : Math.max(1, Math.ceil((ends - this.#parts.now()) / 1000))
  }

  #lasting(ttl: number): string {
    if (!this.#parts.isLasting) return ''
    const seconds = ttl === 0 ? LONGEST : Math.min(ttl, LONGEST)
    const expires = new Date(this.#parts.now() + seconds * 1000).toUTCString()
    return `; Expires=${expires}; Max-Age=${seconds}`
  }

  #storageKey(id: string): string {
    return `${this.#parts.name}:${this.#parts.hashesKeys ? hashOfId(id) : id}`
  }

  #keyOf(text: string, bound: string, stored: Uint8Array | undefined): string {
    const { fingerprint } = this.#parts
    return stored
      ? hashOfAll(fingerprint, bound, text, Buffer.from(stored).toString('latin1'))
      : hashOfAll(fingerprint, bound, text)
  }

  #owners(parts: readonly Part[]): readonly string[] {
    return [...new Set(parts.flatMap((part) => this.#parts.ownersOf(part)))]
  }
}

/** A moment some seconds after another; Infinity for 0. */
export function after(moment: number, seconds: number): number {
  return seconds > 0 ? moment + seconds * 1000 : Infinity
}

function hashOfId(id: string): string {
  return hashOf(id).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

async function orFail<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (cause) {
    throw new SessionError('session_storage_failed', cause)
  }
}
