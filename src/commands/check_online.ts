import { printFaults } from '../declarative/faults.ts'
import type { LocatedFault } from '../declarative/faults.ts'
import type { Loaded } from '../declarative/load.ts'
import type { GatewaySettings } from '../gateway.ts'
import { createLog } from '../log.ts'
import { checkOnline } from '../online.ts'
import type { Finding, Plugin } from '../pdk.ts'

type LoadedEntities = Extract<Loaded, { entities: unknown }>

/** A finding with its place in the files. */
export interface LocatedFinding extends LocatedFault {
  readonly level: Finding['level']
  readonly code: string
  /** Where else the same was found, as `kong.yaml:12`. */
  readonly also?: readonly string[]
}

/** How long all may take; milliseconds. */
const LIMIT = 14_000

/**
 * What the plugins of a configuration find out by asking others, in the order of the files. Nothing where none of them
 * has anybody to ask.
 */
export async function findOnline(
  loaded: LoadedEntities,
  settings: GatewaySettings,
  plugins: ReadonlyMap<string, Plugin>,
  triesClients: boolean,
): Promise<readonly LocatedFinding[] | undefined> {
  // What is found is said once, here.
  const log = createLog('error', () => {})
  const options = { settings, plugins, log, triesClients, limit: LIMIT }
  const found = await checkOnline(loaded, options)
  if (!found) return undefined
  const located = found.map(({ entity, level, code, field, message }): LocatedFinding => {
    return { ...loaded.fault(entity, ['config', ...field], message), level, code }
  })
  return sorted(merged(located))
}

/** What several plugins find of one provider is said once, with all places. */
function merged(findings: readonly LocatedFinding[]): LocatedFinding[] {
  const groups = Map.groupBy(findings, ({ level, code, message, path }) =>
    JSON.stringify([level, code, message, /\.config\.(.*)$/.exec(path)?.[1]]),
  )
  return [...groups.values()].map((group) => {
    const [first, ...others] = sorted(group) as [LocatedFinding, ...LocatedFinding[]]
    const places = new Set(others.map(placeOf))
    places.delete(placeOf(first))
    return places.size > 0 ? { ...first, also: [...places] } : first
  })
}

function placeOf({ file, line }: LocatedFault): string {
  return line === undefined ? file : `${file}:${line}`
}

const LEVELS = ['error', 'warning', 'note']

/** By file and line, in one line the worst first. */
function sorted(findings: readonly LocatedFinding[]): LocatedFinding[] {
  const files = [...new Set(findings.map(({ file }) => file))]
  return findings.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level),
  )
}

/** Findings for people, one a line, each ended by its code. */
export function printFindings(findings: readonly LocatedFinding[]): string {
  return findings
    .map(({ level, code, also, ...fault }) => {
      const others = also ? `; also at ${also.join(', ')}` : ''
      return `${level}: ${printFaults([fault])}${others} (${code})\n`
    })
    .join('')
}

/** As `2 errors and 1 note`. */
export function countOf(findings: readonly LocatedFinding[]): string {
  const counts = LEVELS.flatMap((level) => {
    const count = findings.filter((each) => each.level === level).length
    return count === 0 ? [] : [`${count} ${level}${count === 1 ? '' : 's'}`]
  })
  return counts.length > 0 ? new Intl.ListFormat('en').format(counts) : 'nothing to mend'
}
