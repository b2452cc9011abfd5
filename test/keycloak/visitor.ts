/** What somebody with a browser has before them. */
export interface Page {
  /** How it was asked for. */
  readonly method: string
  readonly url: URL
  /** The names of the fields that were posted. */
  readonly posted: readonly string[]
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

/** As a browser without scripts: keeps cookies, follows redirects, fills in forms and sends them. */
export class Visitor {
  readonly #addresses: Readonly<Record<string, string>>
  readonly #cookies = new Map<string, { readonly path: string; readonly value: string }>()
  /** Every page there was, those that only led on too. */
  readonly pages: Page[] = []

  /** `addresses` tells where a host (`localhost:8000`) really is, if it is not there. */
  constructor(addresses: Readonly<Record<string, string>> = {}) {
    this.#addresses = addresses
  }

  /** Opens an address and follows where it leads; gives the last page. */
  async open(url: string): Promise<Page> {
    return this.#follow(await this.#ask('GET', new URL(url)))
  }

  /** Sends the only form of a page, filled in. */
  async submit(page: Page, filled: Readonly<Record<string, string>> = {}): Promise<Page> {
    const action = attribute(/<form[^>]*>/i.exec(page.body)?.[0] ?? '', 'action')
    if (action === undefined) throw new Error(`no form at ${page.url}:\n${page.body}`)
    const fields = [...page.body.matchAll(/<input[^>]*>/gi)].flatMap(([input]) => {
      const name = attribute(input, 'name')
      return name && attribute(input, 'type')?.toLowerCase() === 'hidden'
        ? [[name, attribute(input, 'value') ?? '']]
        : []
    })
    const form = new URLSearchParams({ ...Object.fromEntries(fields), ...filled })
    return this.#follow(await this.#ask('POST', new URL(action, page.url), form))
  }

  async #follow(page: Page): Promise<Page> {
    const location = page.headers.get('location')
    if (page.status < 300 || page.status > 399 || location === null) return page
    if (this.pages.length > 20) throw new Error('it leads on and on')
    return this.#follow(await this.#ask('GET', new URL(location, page.url)))
  }

  async #ask(method: string, url: URL, form?: URLSearchParams): Promise<Page> {
    const address = this.#addresses[url.host] ?? url.host
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => url.pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
    const answer = await fetch(`http://${address}${url.pathname}${url.search}`, {
      method,
      redirect: 'manual',
      headers: { host: url.host, accept: 'text/html', ...(cookie && { cookie }) },
      ...(form && { body: form }),
    })
    for (const line of answer.headers.getSetCookie()) this.#keep(line)
    const { status, headers } = answer
    const posted = form ? [...form.keys()] : []
    const page = { method, url, posted, status, headers, body: await answer.text() }
    this.pages.push(page)
    return page
  }

  /** Like browsers for one host on several ports: RFC 6265 §8.5 knows no ports. */
  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/; */)
    const name = pair.slice(0, pair.indexOf('='))
    const of = (wanted: string) =>
      attributes.find((each) => each.toLowerCase().startsWith(`${wanted}=`))?.split('=')[1]
    const expires = of('expires')
    const isOver = of('max-age') === '0' || (expires && Date.parse(expires) < Date.now())
    if (isOver) this.#cookies.delete(name)
    else
      this.#cookies.set(name, { path: of('path') ?? '/', value: pair.slice(pair.indexOf('=') + 1) })
  }
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1]
  return found
    ?.replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replace(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(parseInt(code, 16)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
