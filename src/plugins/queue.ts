import type { Log } from '../pdk.ts'
import { type Infer, integer, number, record } from '../schema/field.ts'

const MAX = 1_000_000

/** The field `queue` of the plugins that send what they gathered. */
export const queueField = record(
  'How what is to be sent is gathered, tried again and given up.',
  {
    max_batch_size: integer('How many entries are sent at once.', {
      default: 1,
      between: [1, MAX],
    }),
    max_coalescing_delay: number('How long a batch waits to be full; seconds.', {
      default: 1,
      between: [0, 3600],
    }),
    max_entries: integer('How many entries may wait; beyond that the oldest are lost.', {
      default: 10_000,
      between: [1, MAX],
    }),
    max_bytes: integer('How many bytes may wait; beyond that the oldest are lost.'),
    max_retry_time: number('How long a batch that fails is tried again; seconds.', { default: 60 }),
    initial_retry_delay: number('How long the first pause between two tries is; seconds.', {
      default: 0.01,
      between: [0.001, MAX],
    }),
    max_retry_delay: number('How long such a pause becomes at most; seconds.', {
      default: 60,
      between: [0.001, MAX],
    }),
    concurrency_limit: integer(
      'With 1, one batch after the other. With -1, each entry at once, by itself.',
      { default: 1, one_of: [-1, 1] },
    ),
  },
  { required: true },
)

export type QueueSettings = NonNullable<Infer<typeof queueField>>

/** What a queue does, and may be told anew. */
export interface QueueWork {
  readonly settings: QueueSettings
  /** Sends a batch; throws if it has to be sent again. */
  send(entries: readonly string[]): Promise<void>
  readonly log: Log
  /** What is said of the queue in each line of the log. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** Milliseconds that a queue has for the rest when it ends: with the gateway, or when no plugin is left that adds to it. */
const GRACE = 5_000
/** How full a queue may be before that is said. */
const WARNING = 0.8

/** Sends entries in batches, in the background, in order. It never holds more than its settings allow. */
export class Queue implements AsyncDisposable {
  #work: QueueWork
  readonly #line = new Line()
  /** How many entries are sent apart from each other. */
  #apart = 0
  #running: Promise<void> | undefined
  /** Ends the wait for a full batch. */
  #full: (() => void) | undefined
  /** What ends all waits, when the queue ends. */
  readonly #waits = new Set<() => void>()
  #isClosing = false
  #hasWarned = false
  #isDropping = false

  constructor(work: QueueWork) {
    this.#work = work
  }

  /** What is sent from now on, is sent that way. */
  configure(work: QueueWork): void {
    this.#work = work
  }

  add(text: string): void {
    const { settings } = this.#work
    const entry = { text, bytes: Buffer.byteLength(text) }
    if (settings.concurrency_limit === -1) return this.#sendApart(entry)
    if (!this.#makeRoom(entry)) return
    this.#line.add(entry)
    if (this.#line.count >= settings.max_batch_size) this.#full?.()
    this.#running ??= this.#run()
  }

  /** Sends what is there without waiting, and gives up after some seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    for (const end of this.#waits) end()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, GRACE)
    await Promise.race([this.#running, promise])
    clearTimeout(timer)
    this.#lose(this.#line.count, 'the queue has ended')
  }

  #sendApart(entry: Entry): void {
    if (this.#apart >= this.#work.settings.max_entries)
      return this.#lose(1, 'too many are under way')
    this.#apart++
    void this.#deliver([entry.text]).finally(() => this.#apart--)
  }

  /** Drops the oldest entries for a new one. False if there is no room for it at all. */
  #makeRoom({ bytes }: Entry): boolean {
    const { settings, log, facts } = this.#work
    const { max_entries, max_bytes = Infinity } = settings
    if (bytes > max_bytes) {
      this.#lose(1, `${bytes} bytes are more than max_bytes`)
      return false
    }
    const isFilling = this.#line.count >= max_entries * WARNING
    if (isFilling && !this.#hasWarned)
      log.warn(`the queue is at ${WARNING * 100} % of max_entries`, facts)
    this.#hasWarned = isFilling

    let dropped = 0
    for (; this.#line.count >= max_entries || this.#line.bytes + bytes > max_bytes; dropped++)
      this.#line.take(1)
    if (dropped > 0) {
      // Said once until a batch is sent, since it would be said for each entry.
      if (!this.#isDropping) this.#lose(dropped, 'the queue is full; the oldest go until it is not')
      this.#isDropping = true
    }
    return true
  }

  async #run(): Promise<void> {
    while (this.#line.count > 0) {
      const { max_batch_size, max_coalescing_delay } = this.#work.settings
      if (this.#line.count < max_batch_size)
        await this.#pause(max_coalescing_delay, (resolve) => (this.#full = resolve))
      this.#full = undefined
      const batch = this.#line.take(max_batch_size)
      this.#isDropping = false
      await this.#deliver(batch)
    }
    this.#running = undefined
  }

  async #deliver(entries: readonly string[]): Promise<void> {
    const began = performance.now()
    for (let tries = 0; ; tries++) {
      const { settings, send, log, facts } = this.#work
      try {
        return await send(entries)
      } catch (cause) {
        log.warn('entries were not taken', { ...facts, entries: entries.length, cause })
      }
      if (this.#isClosing) return this.#lose(entries.length, 'the queue ends')
      if (performance.now() - began > settings.max_retry_time * 1000)
        return this.#lose(entries.length, 'max_retry_time is over')
      const delay = 2 ** tries * settings.initial_retry_delay
      await this.#pause(Math.min(settings.max_retry_delay, delay))
    }
  }

  /** Waits for some seconds, unless the queue ends before, or whoever is given the means to. */
  async #pause(seconds: number, give?: (end: () => void) => void): Promise<void> {
    if (this.#isClosing) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, seconds * 1000)
    this.#waits.add(resolve)
    give?.(resolve)
    await promise
    clearTimeout(timer)
    this.#waits.delete(resolve)
  }

  #lose(entries: number, why: string): void {
    if (entries === 0) return
    const { log, facts } = this.#work
    log.error('entries are lost', { code: 'log_failed', ...facts, entries, cause: why })
  }
}

interface Entry {
  readonly text: string
  readonly bytes: number
}

const GONE: Entry = { text: '', bytes: 0 }

/** First in, first out, at the same cost however long it is. */
class Line {
  #entries: Entry[] = []
  #front = 0
  bytes = 0

  get count(): number {
    return this.#entries.length - this.#front
  }

  add(entry: Entry): void {
    this.#entries.push(entry)
    this.bytes += entry.bytes
  }

  /** Takes the oldest, as many as there are up to `most`. */
  take(most: number): string[] {
    const end = Math.min(this.#entries.length, this.#front + most)
    const taken = this.#entries.slice(this.#front, end)
    for (const { bytes } of taken) this.bytes -= bytes
    this.#entries.fill(GONE, this.#front, end)
    this.#front = end
    if (this.#front * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#front)
      this.#front = 0
    }
    return taken.map(({ text }) => text)
  }
}
