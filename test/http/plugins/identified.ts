import type { OutboundRequest } from '../../../src/pdk.ts'
import {
  ISSUER,
  ScriptedProvider,
  type SigningKey,
} from '../../unit/plugins/openid-connect/provider.ts'
import { gateway, proxied, type TestGateway, type TestGatewayOptions } from '../gateway.ts'
import { echo, service } from '../service.ts'
import { ask, field, type Message, statusOf } from '../wire.ts'

/** What came of one request, and what the service was told of the caller. */
export interface Outcome {
  readonly status: number
  readonly body: string
  /** A field of the answer, by its name in lower case. */
  header(name: string): string | undefined
  readonly cookies: readonly string[]
  /** A field of the request to the service; nothing if the service was not asked. */
  told(name: string): string | undefined
  readonly target: string | undefined
}

/** A browser at one of the gateways: it keeps cookies. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #send: (fields: string, line: string, at: number) => Promise<Outcome>

  constructor(send: Browser['send']) {
    this.#send = (fields, line, at) => send(fields, line, at)
  }

  async send(fields = '', line = 'GET / HTTP/1.1', at = 0): Promise<Outcome> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const outcome = await this.#send(`${fields}${cookie && `Cookie: ${cookie}\r\n`}`, line, at)
    for (const each of outcome.cookies) {
      const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(each) ?? []
      if (/; Max-Age=0$/.test(each)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return outcome
  }

  copy(): Browser {
    const copy = new Browser(this.#send as Browser['send'])
    for (const [name, value] of this.cookies) copy.cookies.set(name, value)
    return copy
  }
}

export interface Scene extends AsyncDisposable {
  readonly provider: ScriptedProvider
  readonly gateways: readonly TestGateway[]
  /** Sends a request with these fields, each with its CRLF, to the gateway of that number. */
  send(fields?: string, line?: string, at?: number): Promise<Outcome>
  browser(): Browser
}

/** Gateways with these lines of YAML, before one service, and the scripted provider as a server of its own. */
export async function identified(
  yaml: string,
  key: SigningKey,
  { count = 1, ...options }: TestGatewayOptions & { readonly count?: number } = {},
): Promise<Scene> {
  const provider = new ScriptedProvider(key)
  provider.now = Date.now()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const headers = Object.fromEntries(request.headers)
      const outbound: OutboundRequest = {
        method: request.method,
        headers,
        body: await request.text(),
        timeout: 0,
      }
      return provider.fetch(request.url, outbound)
    },
  })
  const upstream = await service(echo)
  const connectTo = new Map([
    [`${new URL(ISSUER).host}:80`, { host: '127.0.0.1', port: server.port! }],
  ])
  const gateways: TestGateway[] = []
  for (let i = 0; i < count; i++)
    gateways.push(await gateway(`${proxied(upstream.port)}${yaml}`, { connectTo, ...options }))

  const send: Scene['send'] = async (fields = '', line = 'GET / HTTP/1.1', at = 0) => {
    // Each has an id, since several requests may be under way.
    const id = crypto.randomUUID()
    const head = `${line}\r\nHost: gateway.test\r\nX-Test-Id: ${id}\r\n${fields}\r\n`
    const answer = await ask(gateways[at]!.port, head)
    const isIts = (each: Message) => field(each, 'x-test-id') === id
    const asked = upstream.requests.find(isIts)
    return {
      status: statusOf(answer),
      body: String(answer?.body),
      header: (name) => field(answer, name),
      cookies: (answer?.fields ?? [])
        .filter(([name]) => name.toLowerCase() === 'set-cookie')
        .map(([, value]) => value),
      told: (name) => field(asked, name),
      target: asked?.line.split(' ')[1],
    }
  }
  return {
    provider,
    gateways,
    send,
    browser: () => new Browser(send as Browser['send']),
    async [Symbol.asyncDispose]() {
      for (const each of gateways) await each[Symbol.asyncDispose]()
      upstream[Symbol.dispose]()
      await server.stop(true)
    },
  }
}

/** The plugin with this configuration, as a line of YAML below `plugins:`. */
export function plugin(config: Record<string, unknown>): string {
  const usual = { issuer: ISSUER, client_id: ['kong'], client_secret: ['secret'] }
  return `  - { name: openid-connect, config: ${JSON.stringify({ ...usual, client_auth: ['client_secret_post'], ...config })} }\n`
}

export const basicField = (name: string, secret: string): string =>
  `Authorization: Basic ${btoa(`${name}:${secret}`)}\r\n`
export const bearerField = (token: string): string => `Authorization: Bearer ${token}\r\n`
