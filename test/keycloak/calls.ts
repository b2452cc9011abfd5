/** One request to the provider. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly authorization: string | null
  /** The parameters of its form. */
  readonly form: Readonly<Record<string, string>>
  readonly status: number
}

/** What of the metadata browsers use, or nobody. */
const FRONT = new Set(['issuer', 'authorization_endpoint', 'end_session_endpoint'])

/**
 * Stands before Keycloak and keeps every request that passes, so that tests know exactly what it was asked. Keycloak
 * takes the address that was asked for its own, so nothing goes past it.
 */
export class Calls implements Disposable {
  readonly all: Call[] = []
  readonly #server: Bun.Server<undefined>

  /**
   * `port` is one of its own unless given. With `host`, the one that browsers use, it is as with `KC_HOSTNAME` and
   * `KC_HOSTNAME_BACKCHANNEL_DYNAMIC`: Keycloak's issuer is there, and what only clients ask is here.
   */
  constructor(url: string, { port = 0, host }: { port?: number; host?: string } = {}) {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port,
      development: false,
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url)
        const body = await request.text()
        const sent = new Headers(request.headers)
        if (host) sent.set('host', host)
        const answer = await fetch(`${url}${pathname}${search}`, {
          method: request.method,
          headers: sent,
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
        const isDiscovery = host && pathname.endsWith('/.well-known/openid-configuration')
        const told = isDiscovery ? this.#dynamic(await answer.text(), host) : await answer.bytes()
        return new Response(told, { status: answer.status, headers })
      },
    })
  }

  #dynamic(discovery: string, host: string): string {
    const entries = Object.entries(JSON.parse(discovery) as Record<string, unknown>)
    const changed = entries.map(([name, value]) =>
      typeof value === 'string' && !FRONT.has(name)
        ? [name, value.replace(`http://${host}/`, `${this.url}/`)]
        : [name, value],
    )
    return JSON.stringify(Object.fromEntries(changed))
  }

  /** The address of this. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  /** The issuer of a realm, by way of this. */
  issuer(realm: string): string {
    return `${this.url}/realms/${realm}`
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
