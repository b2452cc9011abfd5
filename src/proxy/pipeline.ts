import type { Awaitable, Exit, LogContext, ResponseContext } from '../pdk.ts'
import { ConditionFailed } from './condition.ts'
import type { ProxiedRequest, RequestContext } from './context.ts'
import { type Instance, instanceFor, type Plan } from './plan.ts'
import { tellPlugin, tellRest } from './tell.ts'

/**
 * Runs the access phase: each plugin in its turn, until one answers. The plugins after it are not run but still
 * collected, as in Kong, so that they see the answer. Without a promise as long as no plugin gives one.
 */
export function runAccess(plan: Plan, ctx: RequestContext, from = 0): Awaitable<Exit | undefined> {
  const { slots } = plan
  const { trace } = ctx
  for (let i = from; i < slots.length; i++) {
    const instance = instanceFor(slots[i]!, ctx, plan.memberships)
    if (!instance) {
      if (trace) tellPlugin(trace, slots[i]!, undefined, 'skipped')
      continue
    }
    if (instance.condition) {
      ctx.running = instance
      if (!instance.condition(ctx, plan)) {
        if (trace) tellPlugin(trace, slots[i]!, instance, 'skipped')
        continue
      }
    }
    if (trace) tellPlugin(trace, slots[i]!, instance, instance.handler.access ? 'runs' : 'watches')
    if (plan.remembersRan) ctx.ran.push(instance)
    if (!instance.handler.access) continue
    ctx.running = instance
    const result = instance.handler.access(ctx)
    if (result instanceof Promise) {
      return result.then((exit) => {
        if (exit) return collect(plan, ctx, i + 1, exit)
        // The client has left meanwhile: nobody is asked on its behalf.
        return ctx.request.exchange.isOver ? undefined : runAccess(plan, ctx, i + 1)
      })
    }
    if (result) return collect(plan, ctx, i + 1, result)
  }
  ctx.running = undefined
  return undefined
}

function collect(plan: Plan, ctx: RequestContext, from: number, exit: Exit): Exit {
  if (ctx.trace) tellRest(ctx.trace, plan, ctx, from)
  if (!plan.watchesAnswer) return exit
  const seeing = plan.slots.slice(from).flatMap((slot) => {
    const instance = instanceFor(slot, ctx, plan.memberships)
    return instance && sees(instance, ctx, plan) ? instance : []
  })
  // All at once: conditions ask who ran before them.
  ctx.ran.push(...seeing)
  return exit
}

/** The plugins of all requests that see the answer to one without a route. */
export function watchersOf(plan: Plan, request: ProxiedRequest): readonly Instance[] {
  return plan.slots.flatMap(({ always }) => (always && sees(always, request, plan) ? always : []))
}

/** Whether a plugin whose access phase is passed over sees the answer. In doubt it does. */
function sees(instance: Instance, at: RequestContext | ProxiedRequest, plan: Plan): boolean {
  try {
    return instance.condition?.(at, plan) ?? true
  } catch (error) {
    if (error instanceof ConditionFailed) return true
    throw error
  }
}

/** Shows the head of an answer to the plugins that ran, which may change it. A fault of one is told to `failed`. */
export function runHeaderFilter(
  ran: readonly Instance[],
  ctx: ResponseContext,
  failed: (error: unknown) => void,
): void {
  for (const { handler } of ran) {
    try {
      handler.header_filter?.(ctx)
    } catch (error) {
      failed(error)
    }
  }
}

/** Passes a part of an answer's body through the plugins that ran. Throws what they throw: half a change is none. */
export function runBodyFilter(
  ran: readonly Instance[],
  ctx: ResponseContext,
  part: Uint8Array,
  last: boolean,
): Uint8Array {
  for (const { handler } of ran) {
    if (handler.body_filter) part = handler.body_filter(ctx, part, last)
  }
  return part
}

/** Tells the plugins that ran how it ended. A fault of one is told to `failed`. */
export function runLog(
  ran: readonly Instance[],
  ctx: LogContext,
  failed: (error: unknown) => void,
): void {
  for (const { handler } of ran) {
    try {
      handler.log?.(ctx)
    } catch (error) {
      failed(error)
    }
  }
}
