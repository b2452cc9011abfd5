import { boolean, foreign, type Infer, integer, record, string } from '../schema/field.ts'
import { readHost } from './host.ts'
import { created_at_ms, id, tags, updated_at_ms } from './typedefs.ts'

/** One of an upstream's servers. */
export const target = record(
  "One of an upstream's servers.",
  {
    id,
    upstream: foreign('The upstream.', 'upstreams', { required: true }),
    target: string('Its host or address, and its port; without one it is 8000.', {
      required: true,
      custom: badTarget,
    }),
    weight: integer('Its share of the requests, beside the weights of the others; 0 takes none.', {
      required: true,
      default: 100,
      between: [0, 65535],
    }),
    failover: boolean('Whether it serves only where no other target can.', {
      required: true,
      default: false,
      custom: notYet,
    }),
    tags,
    created_at: created_at_ms,
    updated_at: updated_at_ms,
  },
  { required: true },
  { amend: addPort },
)

export type Target = Infer<typeof target>

const DEFAULT_PORT = 8000

function badTarget(value: string): string | undefined {
  return typeof readHost(value) === 'string'
    ? `Invalid target ('${value}'); not a valid hostname or ip address`
    : undefined
}

/** The port that Kong takes where none is written; an address of IPv6 gets its brackets. */
function addPort(given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (typeof given.target !== 'string') return given
  const host = readHost(given.target)
  if (typeof host === 'string' || host.port !== undefined) return given
  const name = host.kind === 'ipv6' ? `[${given.target.replace(/^\[|\]$/g, '')}]` : given.target
  return { ...given, target: `${name}:${DEFAULT_PORT}` }
}

function notYet(failover: boolean): string | undefined {
  return failover ? 'targets for failover are not supported yet; remove it' : undefined
}
