import type { HeaderList } from './headers.ts'
import { Masks } from './masks.ts'
import { nearest } from './schema/nearest.ts'

/** One thing that happened to a request. What is told never holds a secret. */
export interface Step {
  readonly step: StepKind
  /** What happened, for people. */
  readonly text: string
  readonly details?: readonly string[]
  /** The same for machines, where there is more to know than the sentence. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export type StepKind =
  | 'request'
  | 'route'
  | 'plugin'
  | 'credential'
  | 'provider'
  | 'caller'
  | 'refused'
  | 'service'
  | 'answer'

/** A trace as it is sent and printed. */
export interface TraceRecord {
  readonly request_id: string
  readonly passes: boolean
  /** The status of an answer that is not the service's. */
  readonly status?: number | undefined
  readonly conclusion: string
  readonly steps: readonly Step[]
  /** Whether some of it was left out. */
  readonly shortened?: boolean
}

/** A place where a plugin looks for a credential. */
export interface SearchedPlace {
  readonly text: string
  /** The header field, in lower case, and the scheme that its value has to begin with. */
  readonly header?: string | undefined
  readonly scheme?: string | undefined
}

/** A field of the configuration that decides what was decided. */
export interface DecidingField {
  readonly field: string
  /** As `kong.yaml:12`; nothing for a field that is not written. */
  readonly place: string | undefined
}

export interface ToldRefusal {
  readonly status: number
  readonly code: string | undefined
  readonly cause: string | undefined
  readonly plugin?: string | undefined
  readonly place?: string | undefined
  readonly fields?: readonly DecidingField[]
  readonly advice?: string | undefined
}

/** A request to a server that is not the service, and what came of it. */
export interface ToldCall {
  readonly method: string
  readonly url: string
  readonly headers: Iterable<readonly [string, string]>
  readonly body: string | undefined
  readonly ms: number
  readonly answer:
    { readonly status: number; readonly type: string; readonly body: string } | string
}

const NO_NAMES: ReadonlySet<string> = new Set()

/** What is kept of one request at most. */
const MOST_STEPS = 200

/**
 * What happens to one request, step by step. Only requests that somebody asks about have one; everybody who tells it
 * something looks first whether it is there.
 */
export class Trace {
  readonly masks: Masks
  readonly steps: Step[] = []
  /** Whether all is done but to ask the service. */
  readonly isRehearsal: boolean
  /** Whether the client is sent it. */
  readonly isShown: boolean
  /** Whether it is one of all that go into the log: then it is worth less time. */
  readonly isRoutine: boolean
  request_id = ''
  /** The plugin whose turn it is. */
  plugin = ''
  #headers: HeaderList | undefined
  #refusal: ToldRefusal | undefined
  #conclusion = 'the request was not answered'
  #passes = false
  #isOver = false
  /** Since when a token that was found is over, in words. */
  #expired: string | undefined

  constructor({
    isRehearsal = false,
    isShown = false,
    isRoutine = false,
    secretNames = NO_NAMES,
  } = {}) {
    this.isRehearsal = isRehearsal
    this.isShown = isShown
    this.isRoutine = isRoutine
    this.masks = new Masks(secretNames)
  }

  add(step: Step): void {
    if (step.step === 'request') this.masks.endOfRequest()
    if (!this.#isOver && this.steps.length < MOST_STEPS) this.steps.push(step)
  }

  /** What is told from now on came too late, as of work that goes on in the background. */
  end(): void {
    this.#isOver = true
  }

  /** The header fields that the client sent, for hints. */
  sent(headers: HeaderList): void {
    this.#headers = headers
  }

  /** A plugin has found what it takes for a credential; `raw` is what it read. */
  found(what: string, where: string, raw: string): void {
    const token = raw.replace(/^(?:bearer|dpop) +/i, '')
    this.masks.learn(token)
    this.#expired = expiryOf(token)
    this.add({
      step: 'credential',
      text: `${this.plugin}: found ${what}, in ${where}`,
      details: describeToken(token, this.masks),
    })
  }

  /** A plugin has found nothing. */
  searched(places: readonly SearchedPlace[]): void {
    const byHeader = Map.groupBy(places, ({ header = '' }) => header)
    const hints = [...byHeader].flatMap(([header, those]) => {
      if (header === '') return []
      return (
        this.#hintOn(
          header,
          those.flatMap(({ scheme }) => scheme ?? []),
        ) ?? []
      )
    })
    this.add({
      step: 'credential',
      text: `${this.plugin}: found nothing`,
      details: [...places.map(({ text }) => `looked for ${text}`), ...hints],
      facts: { hints },
    })
  }

  /** A credential was found good before; times in milliseconds since the epoch. */
  known(since: number | undefined, until: number): void {
    const from = since === undefined ? '' : ` at ${clock(since)}`
    const to = Number.isFinite(until) ? `, holds until ${clock(until)}` : ''
    const text = `${this.plugin}: this credential was proved before${from}${to}; nobody is asked again`
    this.add({ step: 'credential', text })
  }

  /** A refusal that does not stand: the caller goes on as the anonymous consumer. */
  forgiven(code: string, cause: string): void {
    const text = `${this.plugin}: would refuse (${code}: ${this.masks.text(cause).replace(/\.$/, '')}), but anonymous lets it go on`
    this.add({ step: 'credential', text, facts: { code } })
  }

  /** Another request has asked already, and this one gets the same answer. */
  waits(what: string): void {
    const text = `waits for a call that another request made first (${what})`
    this.add({ step: 'provider', text })
  }

  called({ method, url, headers, body, ms, answer }: ToldCall): void {
    const { masks } = this
    const sent: string[] = []
    // First, so that what is secret in the request is known when the answer is shown.
    for (const [name, value] of headers)
      if (name.toLowerCase() === 'authorization')
        sent.push(`Authorization: ${masks.field(name, value)}`)
    if (body !== undefined) sent.unshift(`sent ${masks.form(body)}`)
    const outcome = typeof answer === 'string' ? 'failed' : String(answer.status)
    const told =
      typeof answer === 'string' ? masks.text(answer) : describeAnswer(url, answer, masks)
    this.add({
      step: 'provider',
      text: `${method} ${masks.url(url)} → ${outcome} (${Math.round(ms)} ms)`,
      details: [...sent, ...(told === '' ? [] : [`answered ${told}`])],
      facts: { method, url: masks.url(url), outcome, ms: Math.round(ms) },
    })
  }

  refused(refusal: ToldRefusal): void {
    const { status, code, cause, plugin = 'the gateway', place, fields = [], advice } = refusal
    this.#refusal = refusal
    const why = cause === undefined ? undefined : this.masks.text(cause).replace(/\.$/, '')
    const who = place === undefined ? plugin : `${plugin} (${place})`
    const written = fields.filter((field) => field.place !== undefined)
    // What nobody wrote is of use only where nothing else decides.
    const shown = written.length > 0 ? written : fields
    this.add({
      step: 'refused',
      text: `${status} by ${who}${code === undefined ? '' : `, ${code}`}`,
      details: [
        ...(why === undefined ? [] : [`because: ${why}`]),
        ...(advice === undefined ? [] : [`what to do: ${advice}`]),
        ...shown.map(({ field, place: at }) =>
          at === undefined ? `not set: ${field}` : `see ${at}: ${field}`,
        ),
      ],
      facts: { status, code, cause: why, plugin: refusal.plugin, place, fields },
    })
    const isAnswer = status < 400
    const silent = isAnswer ? 'it answers such requests itself' : 'it gives no reason'
    const reason = this.#hint(code) ?? why ?? advice ?? code ?? silent
    const toDo = advice === undefined || advice === reason ? '' : ` To do: ${advice}.`
    const [first] = written
    const look = first ? ` Look at ${first.place}, ${first.field}.` : ''
    this.#conclude(
      false,
      `${isAnswer ? 'ANSWERED' : 'REFUSED'} with ${status} by ${who}${code === undefined ? '' : `, ${code}`}: ${reason.replace(/\.$/, '')}.${toDo}${look}`,
    )
  }

  /** What the service is sent, or would be. */
  forwards(
    line: string,
    url: string,
    fields: readonly (readonly [string, string])[],
    service: string,
  ): void {
    const shown = fields.map(([name, value]) => `${name}: ${this.masks.field(name, value)}`)
    const method = line.split(' ', 1)[0]!
    const target = this.masks.url(url)
    this.add({
      step: 'service',
      text: `${method} ${target}${this.isRehearsal ? ' (not sent)' : ''}`,
      details: shown,
      facts: { method, url: target, service },
    })
    const asked = this.isRehearsal ? 'would be asked' : 'is asked'
    this.#conclude(true, `PASSES: the service ${service} ${asked} ${method} ${target}.`)
  }

  answered(status: number, ms: number): void {
    this.add({
      step: 'answer',
      text: `the service answered ${status} (${Math.round(ms)} ms)`,
      facts: { status },
    })
    this.#conclusion = this.#conclusion.replace(/\.$/, `, and answered ${status}.`)
  }

  /** Whether a refusal was told of already, in more words than its answer has. */
  get isRefused(): boolean {
    return this.#refusal !== undefined
  }

  get record(): TraceRecord {
    return {
      request_id: this.request_id,
      passes: this.#passes,
      ...(this.#refusal && { status: this.#refusal.status }),
      conclusion: this.masks.scrub(this.#conclusion),
      steps: this.steps.map((step) => this.#scrubbed(step)),
    }
  }

  /** What was told before it was known to be secret is so no longer. */
  #scrubbed({ step, text, details, facts }: Step): Step {
    const { masks } = this
    const clean = (value: unknown): unknown => {
      if (typeof value === 'string') return masks.scrub(value)
      if (Array.isArray(value)) return value.map(clean)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, clean(each)]))
    }
    return {
      step,
      text: masks.scrub(text),
      ...(details && details.length > 0 && { details: details.map((each) => masks.scrub(each)) }),
      ...(facts && { facts: clean(facts) as Step['facts'] }),
    }
  }

  #conclude(passes: boolean, conclusion: string): void {
    this.#passes = passes
    this.#conclusion = conclusion
  }

  /** What may have gone wrong before the last refusal, where its reason is that nothing was found. */
  #hint(code: string | undefined): string | undefined {
    if (code === 'token_expired' && this.#expired) return this.#expired
    if (code !== 'no_credentials') return undefined
    const last = this.steps.findLast(({ step }) => step === 'credential')
    const [hint] = (last?.facts?.hints ?? []) as readonly string[]
    return hint
  }

  /** What was sent that is nearly what is looked for. */
  #hintOn(header: string, schemes: readonly string[]): string | undefined {
    const headers = this.#headers
    const value = headers?.get(header)
    if (value === undefined) {
      const others = headers?.fields.map(({ lower }) => lower) ?? []
      const near = nearest(
        header,
        others.filter((each) => !KNOWN.has(each)),
      )
      return near && `the header "${near}" was sent: it is looked for as "${header}"`
    }
    const [, sent] = /^([\w-]+) +\S/.exec(value) ?? []
    if (schemes.length === 0 || (sent && schemes.includes(sent.toLowerCase()))) return undefined
    const came = sent === undefined ? 'without a scheme' : `as "${this.masks.text(sent)} …"`
    const wanted = schemes.map((each) => `"${each[0]!.toUpperCase()}${each.slice(1)} …"`)
    return `the header ${header} came ${came}, and is looked at as ${wanted.join(' or ')}`
  }
}

/** Fields that nobody misspells into others. */
const KNOWN = new Set(['host', 'accept', 'user-agent', 'content-type', 'content-length', 'cookie'])

/** What a JWT says of itself, as far as it is nobody's secret; nothing for other tokens. */
function describeToken(token: string, masks: Masks): string[] {
  const [head, claims] = token.split('.').map(readPart)
  if (!head || !claims) return []
  const now = Date.now() / 1000
  const shown = ['iss', 'sub', 'aud', 'azp', 'scope', 'scp', 'exp', 'nbf'].flatMap((name) => {
    const value = claims[name]
    if (value === undefined) return []
    if ((name === 'exp' || name === 'nbf') && typeof value === 'number')
      return [`${name} ${clock(value * 1000)} (${distance(value - now)})`]
    return [`${name} ${JSON.stringify(masks.json(value, name))}`]
  })
  const signed = ['alg', 'kid'].flatMap((name) =>
    typeof head[name] === 'string' ? [`${name} ${masks.text(head[name])}`] : [],
  )
  return [`it says ${[...shown, ...signed].join(', ')}`]
}

function expiryOf(token: string): string | undefined {
  const exp = readPart(token.split('.')[1] ?? '')?.exp
  const left = typeof exp === 'number' ? exp - Date.now() / 1000 : 0
  return left < 0 ? `the token expired ${distance(left)}` : undefined
}

function readPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** What of an answer is worth a line. */
function describeAnswer(
  url: string,
  { type, body }: Exclude<ToldCall['answer'], string>,
  masks: Masks,
): string {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return body === '' ? '' : `${body.length} bytes of ${masks.text(type || 'no type')}`
  }
  if (typeof value !== 'object' || value === null) return `${body.length} bytes of JSON`
  const members = value as Readonly<Record<string, unknown>>
  if (Array.isArray(members.keys)) {
    const kids = members.keys.map((key: { kid?: unknown }) => String(key?.kid ?? 'without kid'))
    return `${kids.length} keys: ${masks.text(kids.slice(0, 10).join(', '))}`
  }
  if (url.includes('/.well-known/')) {
    const { issuer, jwks_uri, token_endpoint } = members
    return JSON.stringify(masks.json({ issuer, jwks_uri, token_endpoint }))
  }
  return JSON.stringify(masks.json(members)).slice(0, 800)
}

/** `2026-11-24 03:00:00 UTC` */
function clock(ms: number): string {
  if (!(Math.abs(ms) < 8.64e15)) return String(ms)
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function distance(seconds: number): string {
  const size = Math.abs(seconds)
  const [unit, name] =
    size < 120
      ? [1, 'seconds']
      : size < 7200
        ? [60, 'minutes']
        : size < 172_800
          ? [3600, 'hours']
          : [86_400, 'days']
  const words = `${Math.round(size / unit)} ${name}`
  return seconds < 0 ? `${words} ago` : `in ${words}`
}

/** A trace as lines for people: what happened, with its details below it, and the conclusion last. */
export function linesOf({ steps, conclusion, shortened = false }: TraceRecord): string[] {
  const lines = steps.flatMap(({ step, text, details = [] }) => [
    `${step.padEnd(WIDTH)}${text}`,
    ...details.map((detail) => `${' '.repeat(WIDTH)}  ${detail}`),
  ])
  return [...lines, ...(shortened ? ['(some of it was left out)'] : []), '', conclusion]
}

const WIDTH = 12

/** As much as a header field may hold everywhere; characters. */
const MOST_SENT = 8_000

/** A trace as the value of a header field: JSON in Base64url, bounded. */
export function encodeTrace(record: TraceRecord): string {
  let encoded = encode(record)
  let steps = record.steps
  // Details first, the longest of them first; then steps, from the middle: the last say what came of it.
  while (encoded.length > MOST_SENT && steps.length > 0) {
    const longest = steps.reduce((best, each) => (sizeOf(each) > sizeOf(best) ? each : best))
    steps =
      sizeOf(longest) > 0
        ? steps.map((each) => (each === longest ? { step: each.step, text: each.text } : each))
        : steps.toSpliced(Math.floor(steps.length / 2), 1)
    encoded = encode({ ...record, steps, shortened: true })
  }
  return encoded
}

function encode(record: TraceRecord): string {
  return Buffer.from(JSON.stringify(record)).toString('base64url')
}

function sizeOf({ details, facts }: Step): number {
  return details || facts ? JSON.stringify([details, facts]).length : 0
}

/** Reads what `encodeTrace` wrote; nothing if it is none. */
export function decodeTrace(value: string): TraceRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(value, 'base64url').toString()) as TraceRecord
    return typeof record.conclusion === 'string' && Array.isArray(record.steps) ? record : undefined
  } catch {
    return undefined
  }
}
