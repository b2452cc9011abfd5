import { array, boolean, type Infer, record, string } from '../../schema/field.ts'
import { badHeaderName } from '../header.ts'
import { principals } from '../principals.ts'
import { badRealm } from '../realm.ts'

export const schema = record(
  'Lets those pass who send a key that belongs to a consumer.',
  {
    key_names: array(
      'The names under which a key may be sent; the first one found counts.',
      string('The name of a header, a query argument or a body argument.', {
        custom: badHeaderName,
      }),
      { required: true, default: ['apikey'] },
    ),
    hide_credentials: boolean('Whether the key is taken out of the request to the service.', {
      required: true,
      default: true,
    }),
    anonymous: string(
      'The id or username of the consumer that stands for callers without a valid key. Without it they are refused.',
    ),
    key_in_header: boolean('Whether keys are looked for in headers.', {
      required: true,
      default: true,
    }),
    key_in_query: boolean('Whether keys are looked for in the query.', {
      required: true,
      default: true,
    }),
    key_in_body: boolean('Whether keys are looked for in forms, JSON and multipart bodies.', {
      required: true,
      default: false,
    }),
    run_on_preflight: boolean('Whether `OPTIONS` requests need a key too.', {
      required: true,
      default: true,
    }),
    realm: string('The realm that `WWW-Authenticate` names.', { custom: badRealm }),
    identity_realms: array(
      "Konnect's realms in which keys are looked up.",
      record('A realm.', {
        id: string('The UUID of the realm.'),
        region: string('Where the realm is kept.'),
        scope: string('Whether keys come from the control plane or from a realm.', {
          one_of: ['cp', 'realm'],
          default: 'cp',
        }),
      }),
    ),
    principals,
  },
  { required: true },
)

export type Config = Infer<typeof schema>
