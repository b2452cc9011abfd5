import { foreign, type Infer, number, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** A key by which the key-auth plugin knows a consumer. */
export const keyauth_credential = record(
  'A key by which the key-auth plugin knows a consumer.',
  {
    id,
    consumer: foreign('The owner of the key.', 'consumers', { required: true }),
    key: string('The key; drawn at each load if absent. Unique.', { auto: true, encrypted: true }),
    // Kong without a database takes it so: its exports tell the moment, not what is left until then.
    ttl: number('The moment, in seconds since 1970, from which the key is not valid.'),
    tags,
    created_at,
  },
  { required: true },
)

export type KeyauthCredential = Infer<typeof keyauth_credential>
