import type { Keycloak } from './keycloak.ts'

export const SECRET = 'UNT3GPzCKI7zUbhAmFSUGbj4wmiBDGiW'

/** What Keycloak's token endpoint gives. */
export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
}

/** Asks an issuer for tokens, as a client does that has no gateway before it. Throws with Keycloak's words. */
export async function tokensOf(
  issuer: string,
  form: Readonly<Record<string, string>>,
): Promise<Tokens> {
  const answer = await fetch(`${issuer}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Tokens
}

/** Tokens of alex for a client. */
export function passwordTokens(
  issuer: string,
  client_id = 'kong',
  client_secret = SECRET,
): Promise<Tokens> {
  const user = { username: 'alex', password: 'doe', scope: 'openid' }
  return tokensOf(issuer, { grant_type: 'password', client_id, client_secret, ...user })
}

/** An access token of a client for itself. */
export async function clientToken(issuer: string, client_id: string): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id, client_secret: SECRET }
  return (await tokensOf(issuer, form)).access_token
}

/** What the Admin API is told of a client. */
export interface ClientOfRealm {
  readonly attributes?: Readonly<Record<string, string>>
  readonly [member: string]: unknown
}

/** Keycloak's Admin API for one realm. */
export class Admin {
  readonly #url: string
  readonly #token: string

  private constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  static async of({ url }: Keycloak, realm: string): Promise<Admin> {
    const form = {
      grant_type: 'password',
      client_id: 'admin-cli',
      username: 'admin',
      password: 'admin',
    }
    const { access_token } = await tokensOf(`${url}/realms/master`, form)
    return new Admin(`${url}/admin/realms/${realm}`, access_token)
  }

  /** Makes a confidential client whose access tokens live so many seconds, unless it is there; `more` as the Admin API has it. */
  async makeClient(
    clientId: string,
    lifespan: number,
    { attributes, ...more }: ClientOfRealm = {},
  ): Promise<void> {
    await this.#ask('POST', '/clients', [201, 409], {
      clientId,
      secret: SECRET,
      directAccessGrantsEnabled: true,
      serviceAccountsEnabled: true,
      attributes: { 'access.token.lifespan': String(lifespan), ...attributes },
      ...more,
    })
  }

  /** Makes a signing key that goes before all others; gives what takes it away again. */
  async makeKey(): Promise<AsyncDisposable> {
    const { id: parentId } = (await this.#ask('GET', '', [200])) as { id: string }
    const name = `key-${Date.now()}`
    await this.#ask('POST', '/components', [201], {
      name,
      parentId,
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      config: { priority: [String(Math.floor(Date.now() / 1000))], keySize: ['2048'] },
    })
    const found = (await this.#ask('GET', `/components?name=${name}`, [200])) as { id: string }[]
    return {
      [Symbol.asyncDispose]: async () => {
        await this.#ask('DELETE', `/components/${found[0]!.id}`, [204])
      },
    }
  }

  async #ask(method: string, path: string, expected: number[], body?: object): Promise<unknown> {
    const answer = await fetch(this.#url + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!expected.includes(answer.status))
      throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
}
