import { expect } from 'bun:test'
import { Folder } from '../e2e/folder.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { Service } from '../e2e/service.ts'
import type { Calls } from './calls.ts'
import type { ApplyStep, Expectation, Extract, Fact, HowTo, RequestStep, Step } from './how_to.ts'

/** An answer as `curl` wrote it down. */
interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Does what a page says, in the order of its steps: a shell with `curl` and `jq` for the reader, the executable for
 * `deck gateway apply`, a Keycloak behind `calls`. A step or a fact of an unknown kind is a failure.
 */
export class Runner implements AsyncDisposable {
  readonly #page: HowTo
  readonly #calls: Calls
  readonly #service = new Service()
  readonly #folder = new Folder()
  readonly #env: Record<string, string>
  readonly #blocks: object[]
  #gatehouse: Gatehouse | undefined
  /** How many facts were checked. */
  facts = 0

  constructor(page: HowTo, calls: Calls) {
    const [client] = page.idp.clients
    if (page.idp.kind !== 'keycloak' || !client)
      throw new Error(`no such provider: ${page.idp.kind}`)
    this.#page = page
    this.#calls = calls
    this.#blocks = [page.prereq_entities]
    this.#env = {
      DECK_ISSUER: calls.issuer(page.idp.realm),
      DECK_CLIENT_ID: client.client_id,
      DECK_CLIENT_SECRET: client.secret,
    }
  }

  /** Does every step. */
  async run(): Promise<void> {
    for (const step of this.#page.steps) await this.#do(step)
  }

  /** Does the steps up to the first request, and expects something else of its answer. */
  async runUntilRequest(expectation: Expectation): Promise<void> {
    for (const step of this.#page.steps) {
      if (step.kind === 'request')
        return this.#request({ ...step, expect: expectation, extract: [] })
      await this.#do(step)
    }
    throw new Error('the page makes no request')
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'env':
        for (const [name, value] of Object.entries(step.set))
          this.#env[name] = await this.#shell(`printf %s "${value}"`)
        return
      case 'apply':
        return this.#apply(step)
      case 'request':
        return this.#request(step)
      case 'shell':
        // The reader pastes what `extract` has taken from the answer.
        if (step.placeholder) return
        throw new Error(`a shell step that is no placeholder: ${step.script}`)
      case 'illustration':
        return
      default:
        throw new Error(`a step of an unknown kind: ${JSON.stringify(step)}`)
    }
  }

  async #apply({ deck, env }: ApplyStep): Promise<void> {
    for (const name of Object.values(env)) expect(Object.keys(this.#env)).toContain(name)
    this.#blocks.push(deck)
    await this.#gatehouse?.[Symbol.asyncDispose]()
    this.#gatehouse = undefined
  }

  /** The gateway with all blocks applied, each a file of its own. */
  async #running(): Promise<Gatehouse> {
    if (this.#gatehouse) return this.#gatehouse
    const words = this.#blocks.flatMap((block, i) => [
      '-c',
      this.#folder.write(`${i}.yaml`, this.#written(block)),
    ])
    const env = Object.fromEntries(
      Object.entries(this.#env).filter(([name]) => name.startsWith('DECK_')),
    )
    this.#gatehouse = await Gatehouse.start({ config: '_format_version: "3.0"\n', words, env })
    return this.#gatehouse
  }

  /** A block as YAML, its templates as on the page, with a service that is on this machine. */
  #written(block: object): string {
    return Bun.YAML.stringify(block, null, 2)
      .replace(/\$\{\{ env \\"(\w+)\\" \}\}/g, '${{ env "$1" }}')
      .replaceAll('http://httpbin.konghq.com/anything', this.#service.url)
  }

  async #request(step: RequestStep): Promise<void> {
    const first = await this.#curl(step)
    const { status, facts = [], body, www_authenticate_error, ...unknown } = step.expect
    expect(Object.keys(unknown)).toEqual([])
    expect(first).toMatchObject({ status })
    if (body !== undefined) expect(JSON.parse(first.body)).toEqual(body)
    if (www_authenticate_error !== undefined)
      expect(first.headers['www-authenticate']).toContain(`error="${www_authenticate_error}"`)
    for (const fact of facts) await this.#check(fact, first, step)
    for (const extract of step.extract ?? []) this.#env[extract.env] = await this.#extract(extract)
  }

  async #check(fact: Fact, answer: Answer, step: RequestStep): Promise<void> {
    const { why: _why, basis: _basis, ...claims } = fact
    this.facts++
    if ('idp_calls_on_repeat' in claims) {
      const before = this.#calls.all.length
      const again = await this.#curl(step)
      expect(again.status).toBe(step.expect.status)
      expect(this.#calls.all.length - before).toBe(claims.idp_calls_on_repeat as number)
      const latency = ({ headers }: Answer) => Number(headers['x-kong-proxy-latency'])
      expect(latency(again)).toBeLessThanOrEqual(latency(answer))
      return expect(Object.keys(claims)).toEqual(['idp_calls_on_repeat'])
    }
    if ('jwt_at' in claims) {
      const { jwt_at, claim, ...rest } = claims
      return checkValue(claimsOf(valueAt(answer, jwt_at))[String(claim)], rest)
    }
    const { path, ...rest } = claims
    checkValue(valueAt(answer, path), rest)
  }

  async #extract({ from, path, strip }: Extract): Promise<string> {
    if (from !== 'response_json') throw new Error(`cannot extract from ${from}`)
    const filter = path
      .split('.')
      .map((name) => `."${name}"`)
      .join('')
    const text = await this.#shell(`jq -r '${filter}' body`)
    if (strip === undefined) return text
    expect(strip).toBe('bearer')
    expect(text).toStartWith('Bearer ')
    return text.slice('Bearer '.length)
  }

  async #curl({
    method,
    url,
    basic_auth,
    headers = [],
    follow_redirects,
  }: RequestStep): Promise<Answer> {
    const words = ['curl', '--no-progress-meter', '-D', 'head', '-o', 'body', '-X', method]
    if (follow_redirects) words.push('--location')
    if (basic_auth !== undefined) words.push('--user', quoted(basic_auth))
    for (const [name, value] of headers) words.push('-H', quoted(`${name}:${value}`))
    const command = [...words, quoted(url)].join(' ')
    const { port } = await this.#running()
    await this.#shell(command.replaceAll('localhost:8000', `localhost:${port}`))
    const head = await Bun.file(`${this.#folder.path}/head`).text()
    const [line = '', ...fields] = head.trimEnd().split('\r\n')
    const parsed = fields.map((field): [string, string] => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
    })
    return {
      status: Number(line.split(' ')[1]),
      headers: Object.fromEntries(parsed),
      body: await Bun.file(`${this.#folder.path}/body`).text(),
    }
  }

  /** What a shell writes that knows the variables of the page. */
  async #shell(script: string): Promise<string> {
    const shell = Bun.spawn(['bash', '-euo', 'pipefail', '-c', script], {
      cwd: this.#folder.path,
      env: { PATH: process.env.PATH ?? '', ...this.#env },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [said, complained] = await Promise.all([shell.stdout.text(), shell.stderr.text()])
    if ((await shell.exited) !== 0) throw new Error(`${script}\n${complained}`)
    return said.trimEnd()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#folder[Symbol.dispose]()
    this.#service[Symbol.dispose]()
    await this.#gatehouse?.[Symbol.asyncDispose]()
  }
}

/** In double quotes, in which the shell still replaces variables and commands, as on the page. */
function quoted(text: string): string {
  return `"${text}"`
}

function valueAt({ body }: Answer, path: unknown): unknown {
  let value: unknown = JSON.parse(body)
  for (const name of String(path).split('.')) value = (value as Record<string, unknown>)?.[name]
  return value
}

function claimsOf(authorization: unknown): Record<string, unknown> {
  const payload = String(authorization).split('.')[1] ?? ''
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

/** Checks what a fact says of a value; a word that is not known is a failure. */
function checkValue(value: unknown, said: Readonly<Record<string, unknown>>): void {
  expect(Object.keys(said)).not.toEqual([])
  for (const [word, wanted] of Object.entries(said)) {
    switch (word) {
      case 'matches':
        expect(value).toMatch(new RegExp(String(wanted)))
        break
      case 'not_matches':
        expect(value).not.toMatch(new RegExp(String(wanted)))
        break
      case 'present':
        expect(value !== undefined && value !== null).toBe(wanted as boolean)
        break
      case 'absent':
        expect(value === undefined || value === null).toBe(wanted as boolean)
        break
      case 'equals':
        expect(value).toEqual(wanted)
        break
      case 'word_contains':
        expect(String(value).split(' ')).toContain(String(wanted))
        break
      default:
        throw new Error(`a fact of an unknown kind: ${word}`)
    }
  }
}
