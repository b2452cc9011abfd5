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
