import type { Plugin } from '../../pdk.ts'
import { createBodyTransformer, formatOf } from './body.ts'
import { createHeadTransformer } from './head.ts'
import { createQueryTransformer, mergeForm } from './query.ts'
import { badLua, type Config, schema } from './schema.ts'
import { Snapshot } from './snapshot.ts'

/**
 * Bytes. A body is read as a whole to be changed; a longer one is 413, since what the configuration takes out must not
 * pass unread.
 */
const BODY_LIMIT = 8 * 1024 * 1024

const EMPTY = new Uint8Array(0)

/** Changes the path, the method, the headers, the body and the query on their way to the service. */
export const requestTransformer: Plugin<Config> = {
  name: 'request-transformer',
  priority: 801,
  schema,
  create(config) {
    const transformHead = createHeadTransformer(config)
    const transformBody = createBodyTransformer(config)
    const transformQuery = createQueryTransformer(config)
    const isBodiless = /^(?:GET|HEAD|TRACE)$/.test(config.http_method ?? '')
    return {
      access(ctx) {
        const { request, upstream } = ctx
        // A method without a body takes what a form says into the query, as in Kong.
        const merges = isBodiless && formatOf(upstream) === 'form'
        // Templates see the request as it came here, whatever is changed first.
        const values = new Snapshot(ctx)
        transformHead(ctx, values)
        const format = transformBody && formatOf(upstream)
        const finish = (body: Uint8Array): undefined => {
          if (merges) mergeForm(upstream, body)
          if (format) transformBody?.(upstream, body, format, values)
          transformQuery?.(upstream, values)
        }
        if (!merges && !format) return finish(EMPTY)
        if (upstream.body) return finish(upstream.body)
        return request.hasBody ? request.body(BODY_LIMIT).then(finish) : finish(EMPTY)
      },
    }
  },
}

/** The same where `untrusted_lua` is `off`: in Kong each request that comes to a template fails then. */
export const requestTransformerWithoutLua: Plugin<Config> = {
  ...requestTransformer,
  schema: { ...schema, checks: [badLua] },
}
