import { Pattern, PatternError } from '../../pattern/pattern.ts'

/** What an answer says of the origin that asked. */
export interface Verdict {
  /** Value of `Access-Control-Allow-Origin`; undefined takes it away, the service's own as well. */
  readonly allow: string | undefined
  /** Whether the verdict is the same for every origin. */
  readonly all: boolean
  /** Whether caches must keep the answers to different origins apart. */
  readonly varies: boolean
}

const EVERYBODY: Verdict = { allow: '*', all: true, varies: false }
const NOBODY: Verdict = { allow: undefined, all: false, varies: true }

/** What Kong takes for an origin in letters; anything else is a regular expression. */
const PLAIN = /^[A-Za-z0-9.:/-]+$/

/** Kong's message for what is neither `*`, an origin nor a regular expression. */
export function badOrigin(entry: string): string | undefined {
  if (entry === '*') return undefined
  try {
    patternOf(entry)
    return undefined
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    return `'${entry}' is not a valid regex (${error.message})`
  }
}

/** Prepares the judgement over the `Origin` of requests; an empty one is none. */
export function createJudge(origins: readonly string[]): (origin: string | undefined) => Verdict {
  const [first] = origins
  if (first === undefined || (origins.length === 1 && first === '*')) return () => EVERYBODY
  // Kong: one origin in letters is told to everybody, and it is the browser that compares.
  if (origins.length === 1 && PLAIN.test(first)) {
    const verdict = { allow: first, all: false, varies: true }
    return () => verdict
  }
  const anyone = { allow: '*', all: true, varies: true }
  const hasStar = origins.includes('*')
  const matchers = hasStar ? [] : origins.map(matcherOf)
  return (origin) => {
    if (!origin) return NOBODY
    if (hasStar) return anyone
    const normal = normalize(origin)
    if (!matchers.some((matches) => matches(normal))) return NOBODY
    return { allow: normal.domain, all: false, varies: true }
  }
}

interface Origin {
  /** Scheme, host and port, without a port that goes without saying. */
  readonly domain: string
  readonly host: string
}

function matcherOf(entry: string): (origin: Origin) => boolean {
  if (PLAIN.test(entry)) {
    const { domain } = normalize(entry)
    return (origin) => origin.domain === domain
  }
  const pattern = patternOf(entry)
  return entry.includes(':')
    ? ({ domain }) => pattern.test(domain)
    : ({ host }) => pattern.test(host)
}

/** Anchored at both ends, whether or not the expression says so, and read as PCRE reads it. Throws a `PatternError`. */
function patternOf(entry: string): Pattern {
  return new Pattern(`^(?:${entry.endsWith('$') ? entry : `${entry}$`})`, 'pcre')
}

function normalize(origin: string): Origin {
  const parts =
    /^(?:([A-Za-z0-9][\w+.-]*):)?\/\/(?:[^@/?#]*@)?(\[[^\]]*\]|[^:/?#]+)(?::(\d+))?/.exec(origin)
  if (!parts) return { domain: origin, host: origin }
  const [, scheme, host = '', port] = parts
  const isUsual = (scheme === 'http' && port === '80') || (scheme === 'https' && port === '443')
  const front = scheme === undefined ? '' : `${scheme}://`
  return { domain: `${front}${host}${port === undefined || isUsual ? '' : `:${port}`}`, host }
}
