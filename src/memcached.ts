import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Pause } from './pause.ts'

/** Where a memcached is and how it is spoken to. */
export interface MemcachedSettings {
  readonly host: string
  readonly port: number
  /** The path of a Unix socket, in place of `host` and `port`. */
  readonly socket?: string | undefined
  readonly ssl: boolean
  readonly ssl_verify: boolean
  /** PEM of the authorities that are trusted in place of the built-in ones. */
  readonly ca: string | undefined
  /** The limit for connecting, and for each command on a connection; milliseconds. */
  readonly timeout: number
}

/** A memcached could not be asked, or did not answer as it should. Its message names the server, and no key or value. */
export class MemcachedError extends Error {
  override readonly name = 'MemcachedError'
}

export interface Item {
  readonly value: Buffer
  /** A number of 32 bits that whoever stored the item put beside it. */
  readonly flags: number
  /** Which writing of the item this is: for `exchange`. */
  readonly unique: string
}

/** What is stored: `ttl` in seconds, 0 for ever. */
export interface NewItem {
  readonly value: Uint8Array
  readonly flags: number
  readonly ttl: number
}

/**
 * One connection to a memcached by its text protocol, which all versions speak: made when it is first needed, made anew
 * when it broke. Commands go out as they come, and answers come in that order. All methods throw `MemcachedError`, and
 * take keys of 1 to 250 visible ASCII characters.
 */
export class Memcached implements Disposable {
  readonly #settings: MemcachedSettings
  readonly #now: () => number
  readonly #place: string
  #connection: Promise<Connection> | undefined
  readonly #pause = new Pause()

  /** `now` in milliseconds since the epoch. */
  constructor(settings: MemcachedSettings, now: () => number) {
    this.#settings = settings
    this.#now = now
    const { host, port, socket } = settings
    this.#place = `the memcached at ${socket ?? `${host}:${port}`}`
  }

  async get(key: string): Promise<Item | undefined> {
    return this.#send(`gets ${checked(key)}\r\n`, (bytes) => parseItem(bytes, key))
  }

  async set(key: string, item: NewItem): Promise<void> {
    await this.#store('set', key, item, ['STORED'])
  }

  /** Stores what is not there yet; false if it is. */
  async add(key: string, item: NewItem): Promise<boolean> {
    return (await this.#store('add', key, item, ['STORED', 'NOT_STORED'])) === 'STORED'
  }

  /** Stores in the place of the writing that is called `unique`; false if that is there no more. */
  async exchange(key: string, item: NewItem, unique: string): Promise<boolean> {
    const said = await this.#store('cas', key, item, ['STORED', 'EXISTS', 'NOT_FOUND'], unique)
    return said === 'STORED'
  }

  /** Whether it was there. */
  async delete(key: string): Promise<boolean> {
    const words = ['DELETED', 'NOT_FOUND']
    return (await this.#line(`delete ${checked(key)}\r\n`, words)) === 'DELETED'
  }

  /** Has an item end after so many seconds; false if there is none. */
  async touch(key: string, ttl: number): Promise<boolean> {
    const words = ['TOUCHED', 'NOT_FOUND']
    return (
      (await this.#line(`touch ${checked(key)} ${this.#exptime(ttl)}\r\n`, words)) === 'TOUCHED'
    )
  }

  [Symbol.dispose](): void {
    this.#connection?.then(
      (connection) => connection.end(new Error('the gateway stops')),
      () => {},
    )
    this.#connection = undefined
  }

  #store(
    command: string,
    key: string,
    { value, flags, ttl }: NewItem,
    words: readonly string[],
    unique?: string,
  ): Promise<string> {
    const head = `${command} ${checked(key)} ${flags} ${this.#exptime(ttl)} ${value.length}`
    const line = `${head}${unique === undefined ? '' : ` ${unique}`}\r\n`
    return this.#line(Buffer.concat([Buffer.from(line), value, CRLF]), words)
  }

  /** Sends what is answered by one of these words. */
  #line(command: string | Buffer, words: readonly string[]): Promise<string> {
    return this.#send(command, (bytes) => parseWord(bytes, words))
  }

  /** More than 30 days are a moment for the server, not a time. */
  #exptime(ttl: number): number {
    const seconds = Math.ceil(ttl)
    return seconds > MONTH ? Math.ceil(this.#now() / 1000) + seconds : seconds
  }

  async #send<T>(command: string | Buffer, parse: Parse<T>): Promise<T> {
    try {
      const connection = await (this.#connection ??= this.#open())
      return await connection.send(command, parse)
    } catch (error) {
      throw new MemcachedError(`${this.#place}: ${(error as Error).message}`)
    }
  }

  #open(): Promise<Connection> {
    const forget = () => {
      if (this.#connection === opening) this.#connection = undefined
    }
    const opening = this.#connect(forget)
    opening.catch(forget)
    return opening
  }

  async #connect(ended: () => void): Promise<Connection> {
    const { host, port, socket: path, ssl, ssl_verify, ca, timeout } = this.#settings
    this.#pause.check()
    const address = path ? { path } : { host, port }
    const socket: Socket = ssl
      ? connectTls({
          ...address,
          rejectUnauthorized: ssl_verify,
          servername: path || isIP(host) !== 0 ? '' : host,
          ...(ca !== undefined && { ca }),
        })
      : connectTcp(address)
    socket.setNoDelay(true)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      const error = late(timeout)
      this.#pause.begin(error)
      reject(error)
    }, timeout)
    socket.once(ssl ? 'secureConnect' : 'connect', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
    try {
      await promise
      return new Connection(socket, timeout, ended)
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Seconds. */
const MONTH = 30 * 24 * 3600
const CRLF = Buffer.from('\r\n')
/** The longest line of an answer: a key, three numbers, or what went wrong. */
const MAX_LINE = 1024
/** The largest value that is taken; a memcached stores no more than 1 MiB unless told. */
const MAX_VALUE = 2 * 1024 * 1024

const late = (timeout: number) => new Error(`no answer within ${timeout} ms`)

/** What stands at the beginning of what has come, and how many bytes it is; nothing if more must come. Throws what is no answer. */
type Parse<T> = (bytes: Buffer) => { readonly answer: T; readonly length: number } | undefined

/** A command was not done, and the connection is as good as before. */
class Refused extends Error {}

interface Pending {
  /** How many bytes of what has come belong to the answer; 0 if more must come. Throws what is no answer. */
  take(bytes: Buffer): number
  fail(error: Error): void
  readonly timer: Timer
}

class Connection {
  readonly #socket: Socket
  readonly #timeout: number
  readonly #ended: () => void
  readonly #queue: Pending[] = []
  #received: Buffer = Buffer.alloc(0)
  #fault: Error | undefined

  /** `ended` is told once when it is of no more use. */
  constructor(socket: Socket, timeout: number, ended: () => void) {
    this.#socket = socket
    this.#timeout = timeout
    this.#ended = ended
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.end(error))
    socket.on('close', () => this.end(new Error('the connection was closed')))
  }

  send<T>(command: string | Buffer, parse: Parse<T>): Promise<T> {
    if (this.#fault) return Promise.reject(this.#fault)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    // What comes after a late answer cannot be told from it, so that all go.
    const timer = setTimeout(() => this.end(late(this.#timeout)), this.#timeout)
    this.#queue.push({
      timer,
      fail: reject,
      take(bytes) {
        try {
          const parsed = parse(bytes)
          if (parsed) resolve(parsed.answer)
          return parsed?.length ?? 0
        } catch (error) {
          if (!(error instanceof Refused)) throw error
          reject(error)
          return lineOf(bytes)!.length + CRLF.length
        }
      },
    })
    this.#socket.write(command)
    return promise
  }

  end(fault: Error): void {
    if (this.#fault) return
    this.#fault = fault
    this.#socket.destroy()
    for (const { timer, fail } of this.#queue.splice(0)) {
      clearTimeout(timer)
      fail(fault)
    }
    this.#ended()
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    try {
      while (this.#received.length > 0) {
        const first = this.#queue[0]
        if (!first) throw new Error('it answers what nobody asked')
        const length = first.take(this.#received)
        if (length === 0) return
        clearTimeout(first.timer)
        this.#queue.shift()
        this.#received = this.#received.subarray(length)
      }
    } catch (error) {
      this.end(error as Error)
    }
  }
}

/** A key with a blank or an end of line in it would be several words of a command. */
function checked(key: string): string {
  if (!/^[!-~]{1,250}$/.test(key)) throw new MemcachedError('a key is not fit for a memcached')
  return key
}

/** The first line, without its end; nothing if that has not come. */
function lineOf(bytes: Buffer): string | undefined {
  const end = bytes.subarray(0, MAX_LINE).indexOf(CRLF)
  if (end >= 0) return bytes.toString('latin1', 0, end)
  if (bytes.length >= MAX_LINE) throw new Error('it answers with a line that is too long')
  return undefined
}

function parseWord(bytes: Buffer, words: readonly string[]) {
  const line = lineOf(bytes)
  if (line === undefined) return undefined
  if (!words.includes(line)) throw unexpected(line)
  return { answer: line, length: line.length + CRLF.length }
}

const END = 'END'
const VALUE = /^VALUE (\S+) (\d{1,10}) (\d{1,10}) (\d{1,20})$/

function parseItem(bytes: Buffer, key: string) {
  const line = lineOf(bytes)
  if (line === undefined) return undefined
  if (line === END) return { answer: undefined, length: line.length + CRLF.length }
  const [, itsKey, flags = '', size = '', unique = ''] = VALUE.exec(line) ?? []
  if (itsKey === undefined) throw unexpected(line)
  if (itsKey !== key) throw new Error('it answers with another key')
  if (Number(size) > MAX_VALUE) throw new Error(`it answers with more than ${MAX_VALUE} bytes`)
  const from = line.length + CRLF.length
  const to = from + Number(size)
  const tail = `\r\n${END}\r\n`
  if (bytes.length < to + tail.length) return undefined
  if (bytes.toString('latin1', to, to + tail.length) !== tail)
    throw new Error('it answers with another length than it tells')
  // A copy, since a part would keep all that came with it.
  const value = Buffer.from(bytes.subarray(from, to))
  return { answer: { value, flags: Number(flags), unique }, length: to + tail.length }
}

function unexpected(line: string): Error {
  const shown = line.slice(0, 100).replace(/[^ -~]/g, '?')
  // Only after this the server has read the whole command.
  if (line.startsWith('SERVER_ERROR ')) return new Refused(shown)
  return new Error(
    /^(?:CLIENT_ERROR |ERROR$)/.test(line) ? shown : 'it does not speak the protocol',
  )
}
