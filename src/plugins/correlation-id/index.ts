import type { Plugin } from '../../pdk.ts'
import { boolean, type Infer, record, string } from '../../schema/field.ts'
import { badFieldName } from '../header.ts'
import { createGenerator, GENERATORS } from './generators.ts'

const schema = record(
  'Gives each request an id of its own, which the service and, if wanted, the client are told.',
  {
    header_name: string(
      'The header that carries the id. A request that has one already keeps it.',
      {
        required: true,
        default: 'Kong-Request-ID',
        custom: badFieldName,
      },
    ),
    generator: string(
      '`uuid` draws a UUID for each request, `uuid#counter` draws one at load and counts on, `tracker` tells machine, port, process, connection, its requests so far and the time.',
      { required: true, default: 'uuid#counter', one_of: GENERATORS },
    ),
    echo_downstream: boolean('Whether the client is told the id, in the same header.', {
      required: true,
      default: false,
    }),
  },
  { required: true },
)

type Config = Infer<typeof schema>

/** Makes the lines about one request, in the logs of different programs, findable by one id. */
export const correlationId: Plugin<Config> = {
  name: 'correlation-id',
  priority: 100001,
  schema,
  create({ header_name, generator, echo_downstream }, gateway) {
    const lower = header_name.toLowerCase()
    const generate = createGenerator(generator, gateway)
    const given = new WeakMap<object, string>()
    return {
      access(ctx) {
        const { request, upstream } = ctx
        let id = upstream.headers.get(lower)
        if (!id) {
          id = generate(request)
          upstream.headers.set(header_name, id)
          if (echo_downstream) given.set(request, id)
        }
        ctx.setSerializeValue('correlation_id', id)
        return undefined
      },
      ...(echo_downstream && {
        header_filter({ request, headers }) {
          // Without one of either kind there was no access phase: the id is only in the answer then, as in Kong.
          const id = given.get(request) ?? (request.headers.get(lower) || generate(request))
          headers.set(header_name, id)
        },
      }),
    }
  },
}
