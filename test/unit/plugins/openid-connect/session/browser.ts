import { check } from '../../../../../src/schema/check.ts'
import { record, string, array } from '../../../../../src/schema/field.ts'
import type { ClientRequest } from '../../../../../src/pdk.ts'
import {
  createSessions,
  fields,
  type SessionData,
  type Sessions,
  type SessionStorage,
} from '../../../../../src/plugins/openid-connect/session/index.ts'
import { fields as verification } from '../../../../../src/plugins/openid-connect/verify.ts'
import { TestContext, testGateway } from '../../context.ts'

export const ISSUER = 'https://issuer.test/realms/one'
export const DATA: SessionData = { method: 'password', client: 0, access_token: 'at' }

const schema = record(
  '',
  {
    ...fields,
    ...verification,
    issuer: string('', { default: ISSUER }),
    client_id: array('', string('')),
  },
  { required: true },
)

/** A clock, and a gateway that goes by it; what lives over reloads does so over several `sessions`. */
export class Node {
  now = 1_800_000_000_000
  before: readonly string[] = []
  readonly kept = new Map<string, object>()
  readonly gateway = testGateway({
    now: () => this.now,
    keep: <T extends object>(name: string, create: () => T) => {
      if (!this.kept.has(name)) this.kept.set(name, create())
      return this.kept.get(name) as T
    },
    secrets: (_, given) => [given ?? 'secret', ...this.before],
  })

  pass(seconds: number): void {
    this.now += seconds * 1000
  }

  sessions(config: Record<string, unknown> = {}, storage?: SessionStorage): Sessions {
    const checked = check(schema, config)
    if (checked.faults) throw new Error(JSON.stringify(checked.faults))
    return createSessions(checked.value, this.gateway, storage)
  }
}

/** Keeps cookies as a browser does, and refuses what no browser keeps. */
export class Browser {
  readonly cookies = new Map<string, string>()
  scheme = 'https'
  ip = '192.0.2.1'
  agent = 'Firefox'

  /** A request with the cookies that are there; on a new connection unless one is given. */
  request(connection: object = {}): ClientRequest {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers: [string, string][] = [['User-Agent', this.agent]]
    if (cookie !== '') headers.push(['Cookie', cookie])
    const { request } = new TestContext({ headers })
    return { ...request, scheme: this.scheme, ip: this.ip, connection }
  }

  keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      if (cookie.length > 4096) throw new Error('the cookie is too long')
      const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(cookie) ?? []
      if (/; Max-Age=0$/.test(cookie)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }

  copy(): Browser {
    const copy = new Browser()
    for (const [name, value] of this.cookies) copy.cookies.set(name, value)
    return Object.assign(copy, { scheme: this.scheme, ip: this.ip, agent: this.agent })
  }
}

/** A storage in memory, that can be broken. */
export class MemoryStorage implements SessionStorage {
  readonly values = new Map<string, { value: Uint8Array; ends: number }>()
  readonly owners = new Map<string, Set<string>>()
  readonly node: Node
  isBroken = false

  constructor(node: Node) {
    this.node = node
  }

  async get(key: string) {
    this.#check()
    const found = this.values.get(key)
    return found && found.ends > this.node.now ? found.value : undefined
  }

  async set(
    key: string,
    value: Uint8Array,
    ttl: number,
    owners: readonly string[],
    isThere = false,
  ) {
    this.#check()
    if (isThere && !(await this.get(key))) return false
    this.values.set(key, { value, ends: ttl === 0 ? Infinity : this.node.now + ttl * 1000 })
    for (const owner of owners)
      this.owners.set(owner, (this.owners.get(owner) ?? new Set()).add(key))
    return true
  }

  async shorten(key: string, ttl: number) {
    this.#check()
    const found = this.values.get(key)
    if (found) found.ends = Math.min(found.ends, this.node.now + ttl * 1000)
  }

  async delete(key: string, owners: readonly string[]) {
    this.#check()
    this.values.delete(key)
    for (const owner of owners) this.owners.get(owner)?.delete(key)
  }

  async find(owner: string) {
    this.#check()
    return [...(this.owners.get(owner) ?? [])]
  }

  #check(): void {
    if (this.isBroken) throw new Error('connection refused')
  }
}

/** What is given without a promise. */
export function now<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error('a promise was not expected')
  return value
}
