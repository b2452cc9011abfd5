import { MemoryCache } from '../../../src/cache/memory.ts'
import type { Consumer, KeyauthCredential, Route } from '../../../src/entities/index.ts'
import { createErrorWriter } from '../../../src/error_body.ts'
import { HeaderList } from '../../../src/headers.ts'
import type {
  AccessContext,
  Consumers,
  Credential,
  Exit,
  Gateway,
  Handler,
} from '../../../src/pdk.ts'

/** What a test says of a request; the rest is a bare GET. */
export interface Sent {
  readonly method?: string
  readonly query?: string
  readonly headers?: Iterable<readonly [string, string]>
  readonly body?: string
}

/** One request on its way through a plugin, with what the plugin did to it. */
export class TestContext implements AccessContext {
  readonly request
  readonly upstream
  readonly route = { id: 'route' } as unknown as Route
  readonly service = undefined
  uri_captures: Readonly<Record<string, string>> | undefined
  consumer: Consumer | undefined
  credential: Credential | undefined
  authenticatedGroups: readonly string[] | undefined
  consumerGroups: AccessContext['consumerGroups']
  readonly serializeValues: Record<string, string> = {}
  isAnonymous = false
  /** The body as it would reach the service. */
  body: string

  constructor({ method = 'GET', query = '', headers = [], body = '' }: Sent = {}) {
    const list = HeaderList.of(headers)
    this.body = body
    this.request = {
      id: '0'.repeat(32),
      method,
      httpVersion: '1.1' as const,
      scheme: 'http',
      host: 'gateway.test:8000',
      sni: undefined,
      clientCertificate: undefined,
      port: 8000,
      rawPath: '/',
      path: '/',
      query,
      headers: list,
      ip: '127.0.0.1',
      isPeerTrusted: false,
      connection: {},
      writeError: createErrorWriter(),
      hasBody: body !== '',
      limitBody: (bytes: number) => body.length <= bytes,
      body: async () => Buffer.from(body),
    }
    this.upstream = {
      headers: list.copy(),
      method,
      path: undefined,
      query,
      host: undefined,
      body: undefined,
      setBody: (bytes: Uint8Array) => void (this.body = Buffer.from(bytes).toString()),
    }
  }

  setSerializeValue(name: string, value: string): void {
    this.serializeValues[name] = value
  }

  authenticate(consumer?: Consumer, credential?: Credential, anonymous = false): void {
    this.consumer = consumer
    this.credential = credential
    this.isAnonymous = anonymous
  }
}

/** A gateway in memory; `fetch` and `now` are the seams. */
export function testGateway(
  parts: Partial<Omit<Gateway, 'consumers'>> & {
    consumers?: Partial<Consumers>
    consumerList?: readonly Consumer[]
  } = {},
) {
  const caches = new Map<string, MemoryCache<unknown>>()
  const kept = new Map<string, object>()
  const lines: string[] = []
  const write = (message: string) => void lines.push(message)
  const now = parts.now ?? Date.now
  const gateway: Gateway = {
    cache<V>(namespace: string) {
      if (!caches.has(namespace)) caches.set(namespace, new MemoryCache<unknown>(10_000_000, now))
      return caches.get(namespace) as MemoryCache<V>
    },
    fetch: async (url) => {
      throw new Error(`nobody answers at ${url}`)
    },
    now,
    log: { debug: write, info: write, notice: write, warn: write, error: write },
    keep<T extends object>(name: string, create: () => T) {
      if (!kept.has(name)) kept.set(name, create())
      return kept.get(name) as T
    },
    ca: undefined,
    prefix: undefined,
    node_id: 'node',
    id: 'plugin',
    scope: {},
    place: () => 'kong.yaml:1',
    secrets: (_, given) => [given ?? 'a secret of the gateway itself'],
    findAuthority: () => undefined,
    findCertificate: () => undefined,
    ...parts,
    consumers: {
      find: (name) =>
        parts.consumerList?.find(({ id, username }) => name === id || name === username),
      findBy: (field, value) => parts.consumerList?.find((each) => each[field] === value),
      findByUsernameInAnyCase: () => undefined,
      findGroup: () => undefined,
      findByAccessToken: () => undefined,
      findByRefreshToken: () => undefined,
      findByClientId: () => undefined,
      findBySubject: () => undefined,
      findByKey: () => undefined,
      findByUsername: () => undefined,
      isPassword: () => false,
      findByTokenKey: () => undefined,
      groupsOf: () => [],
      consumerGroupsOf: () => [],
      ...parts.consumers,
    },
  }
  return Object.assign(gateway, { lines })
}

/** A consumer who owns a key. */
export function keyOwner(username: string): { consumer: Consumer; credential: KeyauthCredential } {
  const consumer = { id: `id-of-${username}`, username } as Consumer
  return {
    consumer,
    credential: {
      id: `key-of-${username}`,
      consumer: { id: consumer.id },
      key: 'k',
    } as KeyauthCredential,
  }
}

/** Sends a request through a plugin's access phase. */
export async function send(handler: Handler, sent: Sent = {}) {
  const ctx = new TestContext(sent)
  const exit = await handler.access?.(ctx)
  return { ctx, exit, upstream: ctx.upstream.headers }
}

export function messageOf(exit: Exit | undefined): unknown {
  return exit && (JSON.parse(String(exit.body)) as { message?: unknown }).message
}

export function headerOf(exit: Exit | undefined, name: string): string | undefined {
  return exit?.headers.find(([each]) => each.toLowerCase() === name)?.[1]
}
