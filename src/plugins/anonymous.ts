import { type AccessContext, errorExit, type Exit, type Gateway } from '../pdk.ts'

/** Lets the caller pass as the consumer that the field `anonymous` names; 500 if there is none, as in Kong. */
export function becomeAnonymous(
  ctx: AccessContext,
  gateway: Gateway,
  anonymous: string,
): Exit | undefined {
  const consumer = gateway.consumers.find(anonymous)
  if (!consumer) {
    const message = `anonymous consumer ${anonymous} is configured but doesn't exist`
    return errorExit(ctx.request, 500, message, [], { code: 'anonymous_missing' })
  }
  ctx.authenticate(consumer, undefined, true)
  return undefined
}
