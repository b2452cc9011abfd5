import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** A name and a secret by which the hmac-auth plugin knows a consumer. */
export const hmacauth_credential = record(
  'A name and a secret by which the hmac-auth plugin knows a consumer.',
  {
    id,
    consumer: foreign('The owner.', 'consumers', { required: true }),
    username: string('The name. Unique.', { required: true }),
    secret: string('The secret that signs; drawn at each load if absent.', {
      auto: true,
      encrypted: true,
    }),
    tags,
    created_at,
  },
  { required: true },
)

export type HmacauthCredential = Infer<typeof hmacauth_credential>
