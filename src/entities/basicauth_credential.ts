import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** A name and a password by which the basic-auth plugin knows a consumer. */
export const basicauth_credential = record(
  'A name and a password by which the basic-auth plugin knows a consumer.',
  {
    id,
    consumer: foreign('The owner.', 'consumers', { required: true }),
    username: string('The name. Unique.', { required: true }),
    password: string('The password; as a hash where `_transform` is false, and after loading.', {
      required: true,
      encrypted: true,
    }),
    tags,
    created_at,
  },
  { required: true },
)

export type BasicauthCredential = Infer<typeof basicauth_credential>
