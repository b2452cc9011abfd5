import { foreign, type Infer, record, string } from '../schema/field.ts'
import { created_at, id, tags } from './typedefs.ts'

/** The name in a client's certificate by which the mtls-auth plugin knows a consumer. */
export const mtls_auth_credential = record(
  "The name in a client's certificate by which the mtls-auth plugin knows a consumer.",
  {
    id,
    consumer: foreign('The owner.', 'consumers', { required: true }),
    subject_name: string('The name: an alternative name of the certificate, or its common name.', {
      required: true,
    }),
    ca_certificate: foreign('The authority that must have signed.', 'ca_certificates'),
    tags,
    created_at,
  },
  { required: true },
)

export type MtlsAuthCredential = Infer<typeof mtls_auth_credential>
