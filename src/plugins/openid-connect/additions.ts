import type { ClientRequest, ResponseContext } from '../../pdk.ts'
import type { Fields } from './headers.ts'

/** What answers will carry beside their own fields: noted while the request is on its way in, whoever answers it then. */
export class Additions {
  readonly #fields = new WeakMap<ClientRequest, Fields>()

  add(request: ClientRequest, fields: Fields): void {
    if (fields.length === 0) return
    const before = this.#fields.get(request)
    this.#fields.set(request, before ? [...before, ...fields] : fields)
  }

  addCookies(request: ClientRequest, cookies: readonly string[]): void {
    this.add(
      request,
      cookies.map((cookie) => ['Set-Cookie', cookie]),
    )
  }

  /** Adds what was noted to an answer: cookies to those that are there, anything else in the place of its own. */
  apply({ request, headers }: ResponseContext): void {
    for (const [name, value] of this.#fields.get(request) ?? []) {
      if (name === 'Set-Cookie') headers.append(name, value)
      else headers.set(name, value)
    }
  }
}
