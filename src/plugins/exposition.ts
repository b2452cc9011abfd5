import type { Gateway } from '../pdk.ts'

/** Pairs of a label and its value, as they stand between the braces of a sample: `a="1",b="2"`. */
export type Labels = string

/** Writes labels, each value escaped as Prometheus' text format asks for. */
export function labels(pairs: Readonly<Record<string, string | number>>): Labels {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',')
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))
}

/** A metric as it is read: its head and its samples. */
export interface Family {
  readonly name: string
  write(): string
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function sample(name: string, labels: Labels, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`
}

/** A value of the moment, or several, each with its labels. */
export function gauge(
  name: string,
  help: string,
  samples: readonly (readonly [Labels, number])[],
): Family {
  return {
    name,
    write: () =>
      samples.length === 0
        ? ''
        : head(name, 'gauge', help) + samples.map((each) => sample(name, ...each)).join(''),
  }
}

/** One of a counter's samples: who counts often keeps it, and adds to its value. */
export interface Count {
  value: number
}

/** Counts that only rise. */
export class Counter implements Family {
  readonly name: string
  readonly #help: string
  readonly #counts = new Map<Labels, Count>()

  constructor(name: string, help: string) {
    this.name = name
    this.#help = help
  }

  /** The count with these labels; it is written from now on, be it 0. */
  at(labels: Labels): Count {
    let count = this.#counts.get(labels)
    if (!count) this.#counts.set(labels, (count = { value: 0 }))
    return count
  }

  add(labels: Labels, value: number): void {
    this.at(labels).value += value
  }

  write(): string {
    if (this.#counts.size === 0) return ''
    const samples = sorted(this.#counts).map(([labels, { value }]) =>
      sample(this.name, labels, value),
    )
    return head(this.name, 'counter', this.#help) + samples.join('')
  }
}

interface Observed {
  /** How many values fell between a bound and the one before it; the last is above all bounds. */
  readonly counts: number[]
  sum: number
}

/** How values are spread: how many are not above each bound. */
export class Histogram implements Family {
  readonly name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  readonly #observed = new Map<Labels, Observed>()

  /** `bounds` in rising order. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name
    this.#help = help
    this.#bounds = bounds
  }

  observe(labels: Labels, value: number): void {
    let observed = this.#observed.get(labels)
    if (!observed) {
      observed = { counts: Array<number>(this.#bounds.length + 1).fill(0), sum: 0 }
      this.#observed.set(labels, observed)
    }
    let at = 0
    while (at < this.#bounds.length && value > this.#bounds[at]!) at++
    observed.counts[at]!++
    observed.sum += value
  }

  write(): string {
    if (this.#observed.size === 0) return ''
    let buckets = ''
    let counts = ''
    let sums = ''
    for (const [labels, observed] of sorted(this.#observed)) {
      let below = 0
      for (const [i, count] of observed.counts.entries()) {
        below += count
        const bound = `le="${this.#bounds[i] ?? '+Inf'}"`
        buckets += sample(`${this.name}_bucket`, `${labels},${bound}`, below)
      }
      counts += sample(`${this.name}_count`, labels, below)
      sums += sample(`${this.name}_sum`, labels, observed.sum)
    }
    return head(this.name, 'histogram', this.#help) + buckets + counts + sums
  }
}

/** The metrics of plugins that have no page of their own: made when they are first asked for, kept over reloads. */
export class Registry {
  readonly #families = new Map<string, Family>()

  static of({ keep }: Pick<Gateway, 'keep'>): Registry {
    return keep('metrics', () => new Registry())
  }

  get families(): readonly Family[] {
    return [...this.#families.values()]
  }

  counter(name: string, help: string): Counter {
    return this.#find(name, () => new Counter(name, help))
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#find(name, () => new Histogram(name, help, bounds))
  }

  #find<F extends Family>(name: string, create: () => F): F {
    let family = this.#families.get(name)
    if (!family) this.#families.set(name, (family = create()))
    return family as F
  }
}

function sorted<T>(values: ReadonlyMap<Labels, T>): [Labels, T][] {
  return [...values].sort(([a], [b]) => (a < b ? -1 : 1))
}
