import type { HeaderList } from './headers.ts'
import { Masks } from './masks.ts'
import { nearest } from './schema/nearest.ts'
import type { Step, TraceRecord } from './trace_record.ts'
import {
  clock,
  describeAnswer,
  describeBody,
  describeToken,
  expiryOf,
  type ToldCall,
} from './trace_words.ts'

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
    if (body !== undefined) sent.unshift(`sent ${describeBody(headers, body, masks)}`)
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
