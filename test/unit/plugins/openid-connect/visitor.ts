import type { Exit, Handler, ResponseContext } from '../../../../src/pdk.ts'
import { HeaderList } from '../../../../src/headers.ts'
import { messageOf, TestContext, type Sent } from '../context.ts'

/** What came of one request. */
export interface Outcome {
  readonly exit: Exit | undefined
  /** 200 if it was let through. */
  readonly status: number
  readonly message: unknown
  /** Why it was refused, by the code of the log. */
  readonly code: string | undefined
  readonly ctx: TestContext
  /** A field of the request to the service, by its name in lower case. */
  told(name: string): string | undefined
  /** A field of the answer. */
  header(name: string): string | undefined
  readonly cookies: readonly string[]
  /** Whether it was answered without a promise. */
  readonly isAtOnce: boolean
}

/** A client with one connection, that keeps cookies if it is a browser. */
export class Visitor {
  readonly cookies = new Map<string, string>()
  readonly connection = {}
  readonly #handler: Handler
  readonly #isBrowser: boolean

  constructor(handler: Handler, isBrowser = true) {
    this.#handler = handler
    this.#isBrowser = isBrowser
  }

  /** Sends a request and takes the answer, through both phases of the plugin. */
  async send(sent: Sent = {}, over: Partial<TestContext['request']> = {}): Promise<Outcome> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = [...(sent.headers ?? []), ...(cookie ? [['Cookie', cookie] as const] : [])]
    const ctx = new TestContext({ ...sent, headers })
    Object.assign(ctx.request, { connection: this.connection, ...over })
    const answered = this.#handler.access?.(ctx)
    const exit = await answered
    const answer: Pick<ResponseContext, 'request' | 'status' | 'headers'> = {
      request: ctx.request,
      status: exit?.status ?? 200,
      headers: HeaderList.of(exit?.headers ?? []),
    }
    this.#handler.header_filter?.(answer as ResponseContext)
    const cookies = answer.headers.all('set-cookie')
    if (this.#isBrowser) this.#keep(cookies)
    return {
      exit,
      status: answer.status,
      message: exit?.body ? messageOf(exit) : undefined,
      code: exit?.reason?.code,
      ctx,
      told: (name) => ctx.upstream.headers.get(name),
      header: (name) => answer.headers.get(name),
      cookies,
      isAtOnce: !(answered instanceof Promise),
    }
  }

  /** Another client with the same cookies. */
  copy(handler = this.#handler): Visitor {
    const copy = new Visitor(handler, this.#isBrowser)
    for (const [name, value] of this.cookies) copy.cookies.set(name, value)
    return copy
  }

  #keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(cookie) ?? []
      if (/; Max-Age=0$/.test(cookie)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }
}
