import type { HeaderList } from '../../headers.ts'
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
    let hasCookie = false
    for (const [name, value] of this.#fields.get(request) ?? []) {
      if (name !== 'Set-Cookie') headers.set(name, value)
      else {
        headers.append(name, value)
        hasCookie = true
      }
    }
    if (hasCookie) keepPrivate(headers)
  }
}

/** RFC 9111 §7.3: a cookie alone does not keep a cache from giving it to the next user with the answer. */
function keepPrivate(headers: HeaderList): void {
  const said = headers.all('cache-control').join(', ')
  if (/\bno-store\b|\bprivate\b(?!=)/i.test(said)) return
  const rest = said.split(',').map((each) => each.trim())
  const kept = rest.filter((each) => each !== '' && !/^(?:public|s-maxage)\b/i.test(each))
  headers.set('Cache-Control', ['private', ...kept].join(', '))
}
