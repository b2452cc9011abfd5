import type { Plugin, ResponseContext } from '../../pdk.ts'
import { createJsonTransformer, isJson } from './body.ts'
import { createHeaderTransformer, warnings } from './headers.ts'
import { type Config, schema } from './schema.ts'

/**
 * Bytes. A body is collected to be changed; of a longer one the client sees that it was cut, since what the configuration
 * takes out must not pass unread.
 */
const BODY_LIMIT = 32 * 1024 * 1024

const EMPTY = new Uint8Array(0)

/** Changes the headers and the JSON of answers, the gateway's own as well. */
export const responseTransformer: Plugin<Config> = {
  name: 'response-transformer',
  priority: 800,
  schema,
  warnings,
  create(config, gateway) {
    const transformHeaders = createHeaderTransformer(config)
    const transformJson = createJsonTransformer(config)
    const bodies = new WeakMap<ResponseContext, Collected>()
    return {
      header_filter(ctx) {
        const { headers } = ctx
        transformHeaders?.(headers)
        if (!transformJson || !isJson(headers.get('content-type'))) return
        headers.delete('content-length')
        bodies.set(ctx, { parts: [], size: 0 })
      },
      ...(transformJson && {
        body_filter(ctx, part, last) {
          const body = bodies.get(ctx)
          if (!body) return part
          body.size += part.length
          if (body.size > BODY_LIMIT)
            throw new Error(`a body of over ${BODY_LIMIT} bytes is not transformed`)
          body.parts.push(Uint8Array.from(part))
          if (!last) return EMPTY
          const whole = Buffer.concat(body.parts)
          const changed = transformJson(whole.toString())
          if (changed !== undefined) return Buffer.from(changed)
          // There is nothing to change in the answer to a HEAD, nor in one without a body.
          if (whole.length > 0)
            gateway.log.warn('an answer was not transformed: its body is no JSON object', {
              request_id: ctx.request.id,
            })
          return whole
        },
      }),
    }
  },
}

interface Collected {
  readonly parts: Uint8Array[]
  size: number
}
