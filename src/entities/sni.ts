import { foreign, type Infer, record, string } from '../schema/field.ts'
import { badWildcardHost, created_at, id, tags, updated_at } from './typedefs.ts'

/** A server name, and the certificate that is shown to who asks for it. */
export const sni = record(
  'A server name, and the certificate that is shown to who asks for it.',
  {
    id,
    name: string('The name, or `*.example.com`, `example.*`, or `*` for all others. Unique.', {
      required: true,
      custom: badWildcardHost,
    }),
    certificate: foreign('The certificate.', 'certificates', { required: true }),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
)

export type Sni = Infer<typeof sni>
