import { createHash } from 'node:crypto'
import {
  Memcached,
  MemcachedError,
  type MemcachedSettings,
  type NewItem,
} from '../../../memcached.ts'
import type { Gateway } from '../../../pdk.ts'
import { boolean, type Config, integer, string } from '../../../schema/field.ts'
import type { SessionStorage } from './storage.ts'

export const fields = {
  session_memcached_host: string('The host of the memcached.', { default: '127.0.0.1' }),
  session_memcached_port: integer('The port of the memcached.', {
    default: 11_211,
    between: [0, 65_535],
  }),
  session_memcached_prefix: string('What the keys in the memcached begin with, before a colon.'),
  session_memcached_socket: string(
    'The path of the Unix socket of the memcached, in place of the host and the port.',
  ),
  session_memcached_ssl: boolean('Whether to connect to the memcached with TLS.'),
  session_memcached_ssl_verify: boolean("Whether the memcached's certificate is checked.", {
    default: true,
  }),
}

/** Milliseconds: Kong has no field for it; it is what all have for Redis. */
const TIMEOUT = 2000
/** How many sessions are listed under one owner. */
const MOST = 1000
/** How often a list is written anew that others write at the same time. */
const TRIES = 100
/** The longest key that a memcached takes; bytes. */
const LONGEST_KEY = 250

/** Keeps sessions in the memcached of the configuration. Its methods throw `MemcachedError`. */
export function createMemcachedStorage(
  config: Config<typeof fields>,
  gateway: Pick<Gateway, 'ca' | 'keep' | 'now'>,
): SessionStorage {
  const settings: MemcachedSettings = {
    host: config.session_memcached_host,
    port: config.session_memcached_port,
    socket: config.session_memcached_socket,
    ssl: config.session_memcached_ssl ?? false,
    ssl_verify: config.session_memcached_ssl_verify,
    ca: gateway.ca,
    timeout: TIMEOUT,
  }
  const name = `openid-connect memcached ${JSON.stringify(settings)}`
  const memcached = gateway.keep(name, () => new Memcached(settings, gateway.now))
  return new MemcachedStorage(memcached, config.session_memcached_prefix, gateway.now)
}

/** The keys under an owner, each with the epoch second when it ends, 0 for never; the newest last. */
type List = ReadonlyMap<string, number>
type Change = (list: Map<string, number>) => void

/** The flags of an item are the epoch second when it ends, 0 for never: a memcached tells nobody how long one lasts. */
class MemcachedStorage implements SessionStorage {
  readonly #memcached: Memcached
  readonly #prefix: string
  readonly #now: () => number
  /** What is to be written next, and what is being written now; by the name of the list. */
  readonly #open = new Map<string, { readonly changes: Change[]; readonly done: Promise<void> }>()
  readonly #running = new Map<string, Promise<void>>()

  constructor(memcached: Memcached, prefix: string | undefined, now: () => number) {
    this.#memcached = memcached
    this.#prefix = prefix ? `${prefix}:` : ''
    this.#now = now
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#memcached.get(this.#keyOf(key)))?.value
  }

  async set(
    key: string,
    value: Uint8Array,
    ttl: number,
    owners: readonly string[],
    isThere = false,
  ): Promise<boolean> {
    const flags = this.#endOf(ttl)
    // The lists first, so that no session is there which they do not name.
    const put: Change = (list) => {
      list.delete(key)
      list.set(key, flags)
    }
    await Promise.all(owners.map((owner) => this.#change(owner, put)))
    const name = this.#keyOf(key)
    const item = { value, flags, ttl }
    if (isThere) return this.#replace(name, item)
    await this.#memcached.set(name, item)
    return true
  }

  async #replace(name: string, item: NewItem): Promise<boolean> {
    for (let i = 0; i < TRIES; i++) {
      const old = await this.#memcached.get(name)
      if (!old) return false
      if (await this.#memcached.exchange(name, item, old.unique)) return true
    }
    throw new MemcachedError('a session is written too often to replace it')
  }

  async shorten(key: string, ttl: number): Promise<void> {
    const name = this.#keyOf(key)
    // For a memcached no time at all is for ever.
    if (ttl <= 0) return void (await this.#memcached.delete(name))
    for (let i = 0; i < TRIES; i++) {
      const item = await this.#memcached.get(name)
      const flags = this.#endOf(ttl)
      if (!item || (item.flags !== 0 && item.flags <= flags)) return
      const { value, unique } = item
      if (await this.#memcached.exchange(name, { value, flags, ttl }, unique)) return
    }
    throw new MemcachedError('a session is written too often to end it')
  }

  async delete(key: string, owners: readonly string[]): Promise<void> {
    await Promise.all([
      this.#memcached.delete(this.#keyOf(key)),
      ...owners.map((owner) => this.#change(owner, (list) => void list.delete(key))),
    ])
  }

  async find(owner: string): Promise<readonly string[]> {
    const item = await this.#memcached.get(this.#listOf(owner))
    return item ? [...this.#read(item.value).keys()] : []
  }

  /**
   * Changes a list in one step, however many nodes change it at the same time. In this one all who come while it is being
   * written go together in the next writing, since each of them alone would have to try again for each of the others.
   */
  #change(owner: string, change: Change): Promise<void> {
    const name = this.#listOf(owner)
    const open = this.#open.get(name)
    if (open) {
      open.changes.push(change)
      return open.done
    }
    const changes = [change]
    const before = this.#running.get(name) ?? Promise.resolve()
    const done = before.then(() => {
      this.#open.delete(name)
      const write = this.#write(name, changes)
      const over = write
        .catch(() => {})
        .then(() => {
          if (this.#running.get(name) === over) this.#running.delete(name)
        })
      this.#running.set(name, over)
      return write
    })
    this.#open.set(name, { changes, done })
    return done
  }

  async #write(name: string, changes: readonly Change[]): Promise<void> {
    for (let i = 0; i < TRIES; i++) {
      const item = await this.#memcached.get(name)
      const list = new Map(item && this.#read(item.value))
      for (const change of changes) change(list)
      const changed = this.#itemOf(list)
      const isDone = item
        ? await this.#memcached.exchange(name, changed, item.unique)
        : list.size === 0 || (await this.#memcached.add(name, changed))
      if (isDone) return
    }
    throw new MemcachedError('a list of sessions is written too often to change it')
  }

  #read(value: Buffer): List {
    const now = this.#now() / 1000
    const entries = value.toString('latin1').split('\n')
    return new Map(
      entries.flatMap((entry): [string, number][] => {
        const [key = '', end] = entry.split(' ')
        const ends = Number(end)
        return key !== '' && (ends === 0 || ends > now) ? [[key, ends]] : []
      }),
    )
  }

  #itemOf(list: List) {
    const kept = [...list].slice(-MOST)
    const ends = kept.map(([, each]) => each)
    const flags = ends.includes(0) ? 0 : Math.max(1, ...ends)
    // At least a second: none at all is for ever.
    const ttl = flags === 0 ? 0 : Math.max(1, flags - Math.floor(this.#now() / 1000))
    const value = Buffer.from(kept.map(([key, each]) => `${key} ${each}`).join('\n'), 'latin1')
    return { value, flags, ttl }
  }

  #endOf(ttl: number): number {
    return ttl > 0 ? Math.floor(this.#now() / 1000) + ttl : 0
  }

  #keyOf(key: string): string {
    return fitting(this.#prefix + key)
  }

  #listOf(owner: string): string {
    return fitting(`${this.#prefix}sessions-of:${owner}`)
  }
}

/** A prefix may be anything; what no memcached takes for a key stands there as its hash. */
function fitting(key: string): string {
  if (key.length <= LONGEST_KEY && /^[!-~]+$/.test(key)) return key
  return createHash('sha256').update(key).digest('base64url')
}
