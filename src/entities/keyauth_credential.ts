import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** A key by which the key-auth plugin knows a consumer. */
export const keyauth_credential = record(
  'A key by which the key-auth plugin knows a consumer.',
  {
    id,
    consumer: foreign('The owner of the key.', 'consumers', { required: true }),
    key: string('The key; drawn at each load if absent. Unique.', { auto: true, encrypted: true }),
    tags,
    created_at,
  },
  { required: true },
)

export type KeyauthCredential = Infer<typeof keyauth_credential>
