import { checkCondition } from '../cel/compile.ts'
import { any, array, boolean, type Infer, record, set, string } from '../schema/field.ts'
import { created_at, id, name, PROTOCOLS, reference, tags, updated_at } from './typedefs.ts'

const phases = (description: string) =>
  record(description, {
    access: array(
      'In the access phase, the only one with an order of its own.',
      string('The name of a plugin.'),
    ),
  })

/** Kong Enterprise has two more than for routes. */
export const PLUGIN_PROTOCOLS = [...PROTOCOLS, 'ws', 'wss'] as const

/** A plugin at work for a route, a service, a consumer, several of them together, or all requests. */
export const plugin = record(
  'A plugin at work for a route, a service, a consumer, several of them together, or all requests.',
  {
    id,
    name: string('The name of the plugin.', { required: true }),
    instance_name: name('A label for this use of the plugin. Unique.'),
    route: reference('Only requests of this route.', 'routes'),
    service: reference('Only requests to this service.', 'services'),
    consumer: reference(
      'Only requests of this consumer, known once a plugin has authenticated it.',
      'consumers',
    ),
    consumer_group: reference(
      'Only requests of the consumers in this group, known once a plugin has authenticated them.',
      'consumer_groups',
    ),
    ordering: record('Which plugins it runs before or after, other than its priority says.', {
      before: phases('The plugins that it runs before.'),
      after: phases('The plugins that it runs after.'),
    }),
    config: any("The plugin's own settings."),
    condition: string(
      "For which requests it runs, in CEL with Kong's fields; asked just before its access phase.",
      { len_max: 1024, custom: checkCondition },
    ),
    protocols: set(
      'The protocols of the requests that the plugin handles.',
      string('A protocol.', { one_of: PLUGIN_PROTOCOLS }),
      { required: true, default: ['grpc', 'grpcs', 'http', 'https'] },
    ),
    enabled: boolean('Whether the plugin runs.', { required: true, default: true }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
)

export type PluginEntity = Infer<typeof plugin>
