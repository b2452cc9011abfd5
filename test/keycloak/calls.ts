/** One request to the provider. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly authorization: string | null
  /** The parameters of its form. */
  readonly form: Readonly<Record<string, string>>
  readonly status: number
}

/**
 * Stands before Keycloak and keeps every request that passes, so that tests know exactly what it was asked. Keycloak
 * takes the address that was asked for its own, so nothing goes past it.
 */
export class Calls implements Disposable {
  readonly all: Call[] = []
  readonly #server: Bun.Server<undefined>

  /** `port` is one of its own unless given. */
  constructor(url: string, port = 0) {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port,
      development: false,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url)
        const body = await request.text()
        const answer = await fetch(`${url}${pathname}${search}`, {
          method: request.method,
          headers: request.headers,
          redirect: 'manual',
          ...(body !== '' && { body }),
        })
        this.all.push({
          method: request.method,
          path: pathname,
          authorization: request.headers.get('authorization'),
          form: Object.fromEntries(new URLSearchParams(body)),
          status: answer.status,
        })
        const headers = new Headers(answer.headers)
        // `fetch` has decoded the body.
        for (const name of ['content-encoding', 'content-length', 'transfer-encoding'])
          headers.delete(name)
        return new Response(await answer.bytes(), { status: answer.status, headers })
      },
    })
  }

  /** The issuer of a realm, by way of this. */
  issuer(realm: string): string {
    return `http://127.0.0.1:${this.#server.port}/realms/${realm}`
  }

  /** The requests to the token endpoint. */
  get tokens(): readonly Call[] {
    return this.all.filter(({ path }) => path.endsWith('/protocol/openid-connect/token'))
  }

  /** The requests for keys. */
  get keys(): readonly Call[] {
    return this.all.filter(({ path }) => path.endsWith('/protocol/openid-connect/certs'))
  }

  clear(): void {
    this.all.length = 0
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true)
  }
}
