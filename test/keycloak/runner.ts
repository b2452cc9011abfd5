import { expect } from 'bun:test'
import { dirname } from 'node:path'
import { freePorts } from '../e2e/free_ports.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service, valuesOf } from '../e2e/service.ts'
import { Applied } from './applied.ts'
import { Calls } from './calls.ts'
import { checkFact } from './facts.ts'
import type {
  ApplyStep,
  Expectation,
  Extract,
  Fact,
  HowTo,
  LaterRequest,
  RequestStep,
  ShellStep,
  Step,
  Visit,
} from './how_to.ts'
import { keycloak } from './keycloak.ts'
import { type Answer, quoted, Reader } from './reader.ts'
import { SECRET } from './realm.ts'
import { Visitor } from './visitor.ts'

/** The realms that have the client `kong` as these pages want it; one client `kong` cannot be all of them. */
const REALMS: Readonly<Record<string, string>> = {
  'configure-oidc-with-cert-bound-tokens': 'kong-mtls',
  'configure-oidc-with-pop-token-in-header': 'kong-pop',
}

/** Scripts that make the provider and its certificates, which are there. */
const PROVIDER_STARTED = /^(?:openssl (?:genrsa|pkcs12)|keytool|docker run) /
/** Scripts that are none: an address for a browser, and claims that are shown. */
const SHOWN = /^(?:https?:\/\/\S+$|open \S+$|\{)/

/**
 * Does what a page says, in the order of its steps: a shell with `curl` and `jq` for the reader, the executable for
 * `deck gateway apply`, a Keycloak that keeps what the gateway asks. A step or a fact of an unknown kind is a failure.
 */
export class Runner implements AsyncDisposable {
  readonly #page: HowTo
  readonly #left: ReadonlySet<string>
  readonly #applied: Applied
  readonly #realm: string
  readonly #calls: Calls
  readonly #service = new Service()
  readonly #reader = new Reader()
  readonly #admin: Bun.Server<undefined>
  #running: { readonly gatehouse: Gatehouse; readonly env: string } | undefined
  #isApplied = false
  /** How many facts were checked. */
  facts = 0

  /**
   * `left` are plugins of the page that are left out. `isPinned` says whether Keycloak's issuer is at the address that
   * the reader's browser and curl know it by, and the gateway does not reach it by: as the page has it unless given.
   */
  constructor(
    page: HowTo,
    { left = [], isPinned }: { left?: readonly string[]; isPinned?: boolean } = {},
  ) {
    const { idp } = page.keycloak_equivalent ?? page
    if (idp.kind !== 'keycloak') throw new Error(`no such provider: ${idp.kind}`)
    this.#page = page
    this.#left = new Set(left)
    this.#applied = new Applied(this.#left)
    this.#applied.apply(page.prereq_entities)
    this.#realm = REALMS[page.name] ?? idp.realm ?? 'master'
    const named = JSON.stringify([idp.env, page.steps, page.keycloak_equivalent])
    const host = 'localhost:8080'
    this.#calls = new Calls(keycloak!.url, (isPinned ?? named.includes(host)) ? { host } : {})
    this.#admin = this.#startAdmin()
  }

  /** Does every step. */
  async run(): Promise<void> {
    await this.#begin()
    for (const step of this.#page.steps) await this.#do(step)
  }

  /** Does the steps up to the first request, and expects something else of its answer. */
  async runUntilRequest(expectation: Expectation): Promise<void> {
    await this.#begin()
    for (const step of this.#page.steps) {
      if (step.kind === 'request')
        return this.#request({ ...step, expect: expectation, extract: [] })
      await this.#do(step)
    }
    throw new Error('the page makes no request')
  }

  /** Does every step and makes a request after that, or before the block of entities that it says. */
  async runAndRequest({ when, ...step }: LaterRequest): Promise<void> {
    const before = /^before the (\w+) (\w+) exists$/.exec(when ?? '')
    if (when !== undefined && when !== 'after' && !before) throw new Error(`unknown: ${when}`)
    const collection = before && `${before[1]}_${before[2]}s`
    await this.#begin()
    for (const each of this.#page.steps) {
      if (collection && each.kind === 'request') continue
      if (collection && each.kind === 'apply' && collection in each.deck) break
      await this.#do(each)
    }
    await this.#request({ ...step, kind: 'request' })
  }

  /** Does the steps, of whose last request the token is one of another realm. */
  async runWithTokenOf(realm: string, client: string, expectation: Expectation): Promise<void> {
    await this.#begin()
    const last = this.#page.steps.findLast((step) => step.kind === 'request')
    for (const step of this.#page.steps) {
      if (step === last) await this.#request({ ...last, expect: expectation })
      else if (step.kind === 'shell')
        await this.#do({
          ...step,
          script: step.script
            .replace(/realms\/[\w-]+/, `realms/${realm}`)
            .replace(/client_id=[\w-]+/, `client_id=${client}`),
        })
      else if (step.kind !== 'request') await this.#do(step)
    }
    await this.#running!.gatehouse.logged(/code=invalid_issuer /)
  }

  /** Does every step, and then what somebody does with a browser: opens the address and logs in. Gives the browser. */
  async runAndVisit({ start, expect: expected }: Visit): Promise<Visitor> {
    await this.run()
    const { port } = await this.#gatehouse()
    const visitor = new Visitor({
      'localhost:8000': `127.0.0.1:${port}`,
      'localhost:8080': new URL(keycloak!.url).host,
    })
    const form = await visitor.open(await this.#reader.expand(start))
    const sent = visitor.pages[0]!
    const { first, after_callback, response, final } = expected
    const endpoint = URL.parse(sent.headers.get('location') ?? '')
    expect(['localhost:8080', new URL(this.#calls.url).host]).toContain(endpoint?.host ?? '')
    expect(endpoint!.pathname).toBe(`/realms/${this.#realm}/protocol/openid-connect/auth`)
    if (first) {
      expect(sent.status).toBe(first.status)
      const query = Object.fromEntries(endpoint!.searchParams)
      for (const [name, value] of Object.entries(first.query_has))
        expect(query[name]).toBe(await this.#reader.expand(value))
    }
    const handedOver = await visitor.submit(form, { username: 'alex', password: 'doe' })
    const before = visitor.pages.length
    const last = await visitor.submit(handedOver)
    const callback = visitor.pages[before]!
    if (after_callback) {
      expect(callback.method).toBe(after_callback.method)
      expect(callback.url.pathname).toBe(after_callback.path)
      expect(callback.posted).toEqual(expect.arrayContaining([...after_callback.form]))
    }
    if (response) {
      const location = callback.headers.get('location')
      expect(callback.status).toBe(response.status)
      expect(location).toContain(response.location_includes)
      expect(location!.includes('#')).toBe(!response.no_fragment_tokens)
      const names = callback.headers.getSetCookie().map((cookie) => cookie.split('=', 1)[0])
      expect(names).toContain(response.set_cookie)
    }
    expect(last.status, this.log).toBe(final.status)
    if (final.method !== undefined) expect(last.method).toBe(final.method)
    if (final.url_query !== undefined) expect(last.url.search).toBe(`?${final.url_query}`)
    for (const fact of final.body)
      await this.#check(fact, { status: last.status, headers: {}, body: last.body })
    return visitor
  }

  /** What the gateway has said so far. */
  get log(): string {
    return this.#running?.gatehouse.log ?? ''
  }

  async #begin(): Promise<void> {
    this.#connect()
    const { keycloak_equivalent, idp } = this.#page
    for (const [name, text] of Object.entries(keycloak_equivalent?.env ?? idp.env)) {
      const value = this.#valueOf(text)
      if (value !== undefined) await this.#reader.set(name, value)
    }
  }

  /** What the data says that a variable holds, here. */
  #valueOf(text: string): string | undefined {
    if (/^<(?:realm|keycloak) issuer>$/.test(text)) return this.#calls.issuer(this.#realm)
    if (text === '' || text === 'UNT3...' || text.startsWith('<client secret>')) return SECRET
    if (text === '...certs')
      return `${this.#calls.issuer(this.#realm)}/protocol/openid-connect/certs`
    if (text.startsWith('id returned by')) return undefined
    return this.#here(text)
  }

  /** A text of the page with the reader's own names in it. */
  #here(text: string): string {
    return text
      .replaceAll('realms/master', `realms/${this.#realm}`)
      .replaceAll('http://keycloak:8080', this.#calls.url)
      .replaceAll('your.hostname:9443', new URL(keycloak!.httpsUrl).host)
      .replaceAll('<your-client-secret>', SECRET)
      .replaceAll('http://httpbin.konghq.com', new URL(this.#service.url).origin)
      .replaceAll('httpbin.konghq.com:80', new URL(this.#service.url).host)
  }

  /** A block as YAML, its templates as on the page. */
  #written(): string {
    const text = Bun.YAML.stringify(this.#applied.whole, null, 2)
    return this.#here(text.replace(/\$\{\{ env \\"(\w+)\\" \}\}/g, '${{ env "$1" }}'))
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'env':
        for (const [name, value] of Object.entries(step.set))
          // What the reader has of their own is set already.
          if (!value.startsWith('YOUR-'))
            await this.#reader.set(name, await this.#reader.expand(value))
        return
      case 'apply':
        return this.#apply(step)
      case 'request':
        return this.#request(step)
      case 'shell':
        return this.#script(step)
      case 'illustration':
        return
      default:
        throw new Error(`a step of an unknown kind: ${JSON.stringify(step)}`)
    }
  }

  async #apply({ deck, env }: ApplyStep): Promise<void> {
    const known = Object.keys(await this.#reader.variables())
    for (const name of Object.values(env)) expect(known).toContain(name)
    this.#applied.apply(deck)
    this.#isApplied = false
  }

  async #script({ script, placeholder, expect: expected }: ShellStep): Promise<void> {
    if (SHOWN.test(script)) return
    if (PROVIDER_STARTED.test(script)) return this.#copyCertificates()
    if (placeholder) return this.#paste(script)
    if (typeof expected === 'object')
      return this.#request({ ...expected.request, kind: 'request', expect: expected.expect })
    await this.#reader.run(
      // Keycloak takes the address that it was asked at for its own, as long as none is pinned.
      this.#here(
        script.replace(
          "DECK_ISSUER='http://localhost:8080/",
          "DECK_ISSUER='https://localhost:9443/",
        ),
      ),
    )
  }

  /** What the reader pastes is what was printed last, unless it is known already. */
  async #paste(script: string): Promise<void> {
    const { printed } = this.#reader
    const known = await this.#reader.variables()
    for (const [, name] of script.matchAll(/^export (\w+)=/gm))
      if (!(name! in known)) await this.#reader.set(name!, printed)
  }

  /** The files that Keycloak trusts, under the names that the pages give them. */
  async #copyCertificates(): Promise<void> {
    const from = dirname(keycloak!.ca)
    const copies = [
      'ca.crt ca.crt',
      'ca.crt rootCA.crt',
      'client.crt client.crt',
      'client.key client.key',
    ]
    for (const copy of copies) await this.#reader.run(`cp "${from}"/${copy}`)
  }

  /** The gateway with all blocks applied. */
  async #gatehouse(): Promise<Gatehouse> {
    const variables = Object.entries(await this.#reader.variables())
    const env = Object.fromEntries(variables.filter(([name]) => name.startsWith('DECK_')))
    const told = JSON.stringify(env)
    // decK replaces the variables before it applies; the gateway has those that it was started with.
    if (this.#running && this.#running.env !== told) await this.#stop()
    if (!this.#running) {
      const [http, https] = freePorts(2)
      const settings = [
        `proxy_listen = 127.0.0.1:${http}, 127.0.0.1:${https} ssl`,
        `port_maps = 8000:${http}, 8443:${https}`,
        `lua_ssl_trusted_certificate = ${keycloak!.ca}`,
      ]
      const gatehouse = await Gatehouse.start({ config: this.#written(), settings, env })
      this.#running = { gatehouse, env: told }
      this.#connect(gatehouse)
    } else if (!this.#isApplied) await this.#running.gatehouse.reload(this.#written())
    this.#isApplied = true
    return this.#running.gatehouse
  }

  async #stop(): Promise<void> {
    await this.#running?.gatehouse[Symbol.asyncDispose]()
    this.#running = undefined
  }

  /** Makes the addresses of the page lead to what is here. */
  #connect(gatehouse?: Gatehouse): void {
    const [http, https] = gatehouse?.ports ?? []
    this.#reader.connect({
      'localhost:8080': new URL(keycloak!.url).host,
      'localhost:9443': new URL(keycloak!.httpsUrl).host,
      'localhost:8001': `127.0.0.1:${this.#admin.port}`,
      ...(gatehouse && {
        'localhost:8000': `127.0.0.1:${http}`,
        'localhost:8443': `127.0.0.1:${https}`,
      }),
    })
  }

  /** As much of the Admin API as the pages ask for: an authority that is handed in is in the next configuration. */
  #startAdmin(): Bun.Server<undefined> {
    return Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      development: false,
      fetch: async (request) => {
        const { pathname } = new URL(request.url)
        if (request.method !== 'POST' || pathname !== '/ca_certificates')
          return new Response('Not found', { status: 404 })
        const authority = {
          id: crypto.randomUUID(),
          cert: new URLSearchParams(await request.text()).get('cert'),
        }
        this.#applied.apply({ ca_certificates: [authority] })
        return Response.json(authority, { status: 201 })
      },
    })
  }

  async #request(step: RequestStep): Promise<void> {
    await this.#gatehouse()
    const before = this.#calls.all.length
    const first = await this.#curl(step)
    const calls = this.#calls.all.length - before
    const { status, facts = [], body, www_authenticate_error, trace, ...unknown } = step.expect
    expect(Object.keys(unknown)).toEqual([])
    expect(first).toMatchObject({ status })
    if (body !== undefined) expect(JSON.parse(first.body)).toEqual(body)
    const more = www_authenticate_error === undefined ? [] : [{ www_authenticate_error }]
    for (const fact of [...facts, ...more]) {
      if ('idp_calls_on_repeat' in fact) await this.#checkRepeat(fact, first, step)
      else if ('idp_calls' in fact) this.#checkCalls(fact, calls)
      else await this.#check(fact, first)
    }
    if (trace !== undefined) this.#checkTrace(trace)
    for (const extract of step.extract ?? [])
      await this.#reader.set(extract.env, await this.#extract(extract))
  }

  async #check(fact: Fact, answer: Answer): Promise<void> {
    this.facts++
    const { equals, not_equals, ...rest } = fact
    const expanded = async (value: unknown) =>
      typeof value === 'string' ? this.#reader.expand(value) : value
    checkFact(
      {
        ...rest,
        ...('equals' in fact && { equals: await expanded(equals) }),
        ...('not_equals' in fact && { not_equals: await expanded(not_equals) }),
      },
      answer,
    )
  }

  #checkCalls({ why: _why, basis: _basis, ...said }: Fact, calls: number): void {
    this.facts++
    expect(said).toEqual({ idp_calls: calls })
  }

  async #checkRepeat(fact: Fact, answer: Answer, step: RequestStep): Promise<void> {
    const { why: _why, basis: _basis, ...said } = fact
    this.facts++
    const before = this.#calls.all.length
    const again = await this.#curl(step)
    expect(again.status).toBe(step.expect.status)
    expect(said).toEqual({ idp_calls_on_repeat: this.#calls.all.length - before })
    const latency = ({ headers }: Answer) => Number(headers['x-kong-proxy-latency'])
    expect(latency(again)).toBeLessThanOrEqual(latency(answer))
  }

  /** Of what datakit shows of itself the part that openid-connect has made, where datakit is left out. */
  #checkTrace({ GET_CREDENTIAL }: NonNullable<Expectation['trace']>): void {
    if (!this.#left.has('datakit')) throw new Error('a trace of datakit cannot be checked')
    if (GET_CREDENTIAL === undefined) return
    this.facts++
    const identifier = valuesOf(this.#service.last, 'x-credential-identifier')
    expect({ 'value.value.id': identifier.join() }).toEqual(
      GET_CREDENTIAL as { 'value.value.id': string },
    )
  }

  async #extract({ from, path, strip }: Extract): Promise<string> {
    if (from !== 'response_json') throw new Error(`cannot extract from ${from}`)
    const filter = path
      .split('.')
      .map((name) => `."${name}"`)
      .join('')
    const text = await this.#reader.run(`jq -r '${filter}' "${this.#reader.folder.path}/body"`)
    if (strip === undefined) return text
    expect(strip).toBe('bearer')
    expect(text).toStartWith('Bearer ')
    return text.slice('Bearer '.length)
  }

  #curl({ method, url, headers = [], ...step }: RequestStep): Promise<Answer> {
    const words = ['-X', method]
    if (step.follow_redirects) words.push('--location')
    if (step.tls_insecure) words.push('--insecure')
    if (step.client_cert) words.push('--cert', step.client_cert.cert, '--key', step.client_cert.key)
    if (step.cookie_jar_write) words.push('--cookie-jar', step.cookie_jar_write)
    if (step.cookie_jar_read) words.push('--cookie', step.cookie_jar_read)
    if (step.basic_auth !== undefined) words.push('--user', quoted(step.basic_auth))
    if (step.json !== undefined) words.push('--data', `'${JSON.stringify(step.json)}'`)
    for (const [name, value] of headers) words.push('-H', quoted(`${name}:${value}`))
    return this.#reader.curl([...words, quoted(url)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader[Symbol.dispose]()
    this.#service[Symbol.dispose]()
    this.#calls[Symbol.dispose]()
    void this.#admin.stop(true)
    await this.#stop()
  }
}
