import { expect } from 'bun:test'
import type { Handler } from '../../../../../src/pdk.ts'
import { openidConnect } from '../../../../../src/plugins/openid-connect/index.ts'
import { isRecord } from '../../../../../src/schema/check.ts'
import { type Sent, testGateway } from '../../context.ts'
import { configure } from '../plugin.ts'
import { type Outcome, Visitor } from '../visitor.ts'
import type { HostileProvider } from './provider.ts'

export const CLIENT = {
  client_id: ['kong'],
  client_secret: ['the-secret-of-the-client'],
  client_auth: ['client_secret_post'],
  session_secret: 'the-secret-of-sessions',
  cache_tokens_salt: 'salt',
}

export const FORM: readonly [string, string] = ['Content-Type', 'application/x-www-form-urlencoded']

/** A gateway with the plugin before one service, a provider, and all that was written to the log. */
export class Scene {
  readonly handler: Handler
  readonly gateway
  readonly told: string[] = []
  readonly provider: HostileProvider

  constructor(
    provider: HostileProvider,
    config: Record<string, unknown> = {},
    fetch = provider.fetch,
  ) {
    this.provider = provider
    const log = (message: string, facts?: unknown) => {
      this.told.push(`${message} ${textOf(facts)}`)
    }
    this.gateway = testGateway({
      fetch,
      now: () => provider.now,
      log: { debug: log, info: log, notice: log, warn: log, error: log },
    })
    const auth_methods = ['authorization_code', 'session']
    const all = { issuer: provider.issuer, auth_methods, ...CLIENT, ...config }
    for (const secret of [...CLIENT.client_secret, CLIENT.session_secret])
      provider.secrets.add(secret)
    this.handler = openidConnect.create(configure(all), this.gateway)
  }

  visitor(): Visitor {
    return new Visitor(this.handler)
  }

  /** Goes to a path, to be sent to the provider; gives where that is. */
  async begin(visitor: Visitor, path = '/shop', query = ''): Promise<string> {
    const outcome = await go(visitor, path, { query })
    const location = outcome.header('location')
    if (outcome.status !== 302 || location === undefined)
      throw new Error(`it was answered with ${outcome.status} (${outcome.code})`)
    return location
  }

  /** Logs in. */
  async logIn(visitor: Visitor, path = '/shop', query = ''): Promise<Outcome> {
    const url = await this.begin(visitor, path, query)
    return go(visitor, path, { query: String(this.provider.authorize(url)) })
  }

  /** That it was refused with that code, and that nobody was told a secret. */
  expectRefused(outcome: Outcome, ...codes: readonly string[]): void {
    expect([outcome.status, codes]).toEqual([outcome.status === 403 ? 403 : 401, codes])
    expect(codes).toContain(outcome.code ?? 'none')
    expect(outcome.ctx.credential).toBeUndefined()
    this.expectNoSecrets(outcome)
  }

  /** That neither the answer nor the log holds a secret, or anything that looks like a token. */
  expectNoSecrets(outcome: Outcome): void {
    const { exit } = outcome
    const all = [textOf(exit?.headers), String(exit?.body), textOf(exit?.reason), ...this.told]
    const text = all.join('\n')
    for (const secret of this.provider.secrets)
      if (secret.length > 3 && text.includes(secret)) throw new Error(`"${secret}" is in: ${text}`)
    expect(text).not.toMatch(/eyJ[\w-]+\.[\w-]/)
  }
}

/** Sends a request for a path. */
export function go(
  visitor: Visitor,
  path: string,
  sent: Sent = {},
  over: Record<string, unknown> = {},
): Promise<Outcome> {
  return visitor.send(sent, { path, rawPath: path, ...over })
}

/** All words of a value, of errors and what caused them too. */
export function textOf(value: unknown): string {
  if (value instanceof Error)
    return [value.message, textOf({ ...value }), textOf(value.cause)].join(' ')
  if (Array.isArray(value)) return value.map(textOf).join(' ')
  if (isRecord(value)) return Object.entries(value).map(textOf).join(' ')
  return value === undefined ? '' : String(value)
}
