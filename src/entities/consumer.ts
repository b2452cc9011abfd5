import { type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** Somebody who uses the services. */
export const consumer = record(
  'Somebody who uses the services.',
  {
    id,
    username: string('The name by which the consumer is known. Unique.'),
    custom_id: string('The name by which another system knows the consumer. Unique.'),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { checks: [unnamed] },
)

export type Consumer = Infer<typeof consumer>

function unnamed({ username, custom_id }: Readonly<Record<string, unknown>>): string | undefined {
  if (username !== undefined || custom_id !== undefined) return undefined
  return "at least one of these fields must be non-empty: 'custom_id', 'username'"
}
