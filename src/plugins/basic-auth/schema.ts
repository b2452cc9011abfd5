import { boolean, type Infer, integer, record, string } from '../../schema/field.ts'
import { principals } from '../principals.ts'
import { badRealm } from '../realm.ts'

const secret = { referenceable: true, encrypted: true } as const

const redis = record('The Redis that would keep the counts.', {
  host: string('The host.', { referenceable: true }),
  port: integer('The port.', { default: 6379, between: [0, 65_535], referenceable: true }),
  timeout: integer('The limit for one question; milliseconds.', {
    default: 2000,
    between: [0, 2_147_483_646],
  }),
  username: string('The user.', { referenceable: true }),
  password: string('The password.', secret),
  database: integer('The number of the database.', { default: 0 }),
  ssl: boolean('Whether to connect with TLS.', { default: false }),
  ssl_verify: boolean('Whether the certificate is checked.', { default: true }),
  server_name: string('The name that the certificate must have.', { referenceable: true }),
  cloud_authentication: record('How to log in to a Redis of a cloud provider.', {
    auth_provider: string('Whose cloud it is.', {
      one_of: ['aws', 'azure', 'gcp'],
      referenceable: true,
    }),
    aws_cache_name: string('The name of the ElastiCache cluster.', { referenceable: true }),
    aws_region: string('The region of the ElastiCache cluster.', { referenceable: true }),
    aws_is_serverless: boolean('Whether the ElastiCache cluster is serverless.', { default: true }),
    aws_access_key_id: string('The id of the access key.', secret),
    aws_secret_access_key: string('The access key.', secret),
    aws_assume_role_arn: string('The role to assume.', secret),
    aws_role_session_name: string('The name of the session of that role.', secret),
    gcp_service_account_json: string('The service account, as JSON.', secret),
    azure_client_id: string('The id of the application.', secret),
    azure_client_secret: string('The secret of the application.', secret),
    azure_tenant_id: string('The tenant of the application.', secret),
  }),
})

export const schema = record(
  'Lets those pass who send a name and a password that belong to a consumer.',
  {
    anonymous: string(
      'The id or username of the consumer that stands for callers without valid credentials. Without it they are refused.',
    ),
    hide_credentials: boolean(
      'Whether the name and password are taken out of the request to the service.',
      { required: true, default: true },
    ),
    realm: string('The realm that `WWW-Authenticate` names.', {
      required: true,
      default: 'service',
      custom: badRealm,
    }),
    brute_force_protection: record(
      'Makes those wait who send wrong passwords for a name.',
      {
        strategy: string('Where failures are counted: in this process, or not at all.', {
          default: 'off',
          one_of: ['cluster', 'memory', 'off', 'redis'],
          custom: notYet,
        }),
        redis,
      },
      { required: true },
    ),
    principals,
  },
  { required: true },
)

export type Config = Infer<typeof schema>

function notYet(strategy: string): string | undefined {
  if (strategy === 'redis') return 'counting in a Redis is not built yet: expected memory or off'
  if (strategy === 'cluster') return 'there is no database to count in: expected memory or off'
  return undefined
}
