import {
  type AccessContext,
  type ClientRequest,
  errorExit,
  type Exit,
  type Gateway,
  type Plugin,
} from '../../pdk.ts'
import { keepRedis } from '../redis.ts'
import { type Counts, LocalCounts } from './counts.ts'
import { createIdentify } from './identifier.ts'
import { createJudge, type Verdict } from './judge.ts'
import { RedisCounts, SyncedCounts } from './redis_counts.ts'
import { type Config, schema } from './schema.ts'
import { type Beginnings, beginningsOf, PERIODS, type Window } from './window.ts'

/** Lets so many requests of a client pass in a period. */
export const rateLimiting: Plugin<Config> = {
  name: 'rate-limiting',
  priority: 910,
  schema,
  remedies: {
    429: {
      fields: ['second', 'minute', 'hour', 'day', 'month', 'year', 'limit_by'],
      advice: 'wait, or raise the limit',
    },
    redis_failed: { fields: ['redis.host', 'redis.port', 'fault_tolerant'] },
  },
  create(config, gateway) {
    const { error_code, error_message, fault_tolerant, hide_client_headers } = config
    const identify = createIdentify(config, gateway.consumers)
    const windowsOf = createWindows(config, gateway)
    const judge = createJudge(config)
    const counts = countsOf(config, gateway)
    const report = createReport(gateway)
    const told = new WeakMap<ClientRequest, Verdict['fields']>()

    function decide(ctx: AccessContext, windows: readonly Window[], usage: readonly number[]) {
      const verdict = judge(windows, usage, gateway.now())
      if (!hide_client_headers) told.set(ctx.request, verdict.fields)
      if (verdict.refused) return errorExit(ctx.request, error_code, error_message)
      counts.increment(windows)
      return undefined
    }

    function failed({ request }: AccessContext, cause: unknown): Exit | undefined {
      if (!fault_tolerant)
        return errorExit(request, 500, 'An unexpected error occurred', [], {
          code: 'redis_failed',
          cause,
        })
      report(cause)
      return undefined
    }

    return {
      access(ctx) {
        const windows = windowsOf(identify(ctx))
        const usage = counts.usage(windows)
        if (!(usage instanceof Promise)) return decide(ctx, windows, usage)
        return usage.then(
          (late) => decide(ctx, windows, late),
          (error) => failed(ctx, error),
        )
      },
      header_filter({ request, headers }) {
        for (const [name, value] of told.get(request) ?? []) headers.set(name, value)
      },
    }
  },
}

const NOBODY = '00000000-0000-0000-0000-000000000000'

/** Prepares the windows of one identifier now, for each period that has a limit. */
function createWindows(config: Config, { scope, now }: Gateway): (who: string) => Window[] {
  const periods = PERIODS.filter((period) => config[period] !== undefined)
  const prefix = `ratelimit:${scope.route?.id ?? NOBODY}:${scope.service?.id ?? NOBODY}:`
  let second = -1
  let beginnings: Beginnings
  return (who) => {
    const time = now()
    const current = Math.floor(time / 1000)
    if (current !== second) [second, beginnings] = [current, beginningsOf(time)]
    return periods.map((period) => {
      const begins = beginnings[period]
      return { key: `${prefix}${who}:${begins}:${period}`, period, begins }
    })
  }
}

function countsOf(config: Config, gateway: Gateway): Counts {
  if (config.policy !== 'redis') return new LocalCounts(gateway.cache('rate-limiting'))
  const { redis, name } = keepRedis('rate-limiting', config.redis, gateway)
  const { sync_rate } = config
  if (sync_rate < 0) return new RedisCounts(redis)
  const report = createReport(gateway)
  return gateway.keep(
    `${name} ${sync_rate}`,
    () => new SyncedCounts(redis, sync_rate, gateway.now, report),
  )
}

/** Tells of a Redis that fails once a second: it fails for every request. */
function createReport({ log, now, place }: Gateway): (cause: unknown) => void {
  let quietUntil = 0
  return (cause) => {
    if (now() < quietUntil) return
    quietUntil = now() + 1000
    log.error('requests are not counted', { code: 'redis_failed', config: place(), cause })
  }
}
