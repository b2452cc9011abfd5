import { any, type Infer, map, record, string } from '../schema/field.ts'
import { created_at, id, name, tags, updated_at } from './typedefs.ts'

/** Settings that plugins share: how to reach a Redis. Its `config` is checked as plugins' are. */
export const partial = record(
  'Settings that plugins share: how to reach a Redis.',
  {
    id,
    name: name('The name of the settings. Unique.'),
    type: string('What they are for.', {
      required: true,
      one_of: ['redis-ce', 'redis-ee', 'vectordb', 'embeddings', 'model'],
      custom: notYet,
    }),
    config: map('The settings.', any('A value.'), { required: true }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
)

export type Partial = Infer<typeof partial>

function notYet(type: string): string | undefined {
  return type.startsWith('redis-')
    ? undefined
    : `partials of the type ${type} are not supported yet`
}
