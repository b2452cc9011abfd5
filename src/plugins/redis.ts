import { createHash } from 'node:crypto'
import type { Gateway } from '../pdk.ts'
import { Redis, type RedisSettings } from '../redis.ts'
import { boolean, type Infer, integer, record, string } from '../schema/field.ts'

/** What is stored encrypted, and may stand in a vault. */
export const secret = { referenceable: true, encrypted: true } as const

/** How to log in to a Redis of a cloud provider, as Kong describes it in all plugins. */
export const cloudFields = {
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
}

const cloud_authentication = record(
  'How to log in to a Redis of a cloud provider.',
  {
    ...cloudFields,
    auth_provider: string('Whose cloud it is.', {
      one_of: ['aws', 'azure', 'gcp'],
      referenceable: true,
      custom: () => "logging in with a cloud provider's identity is not built yet",
    }),
  },
  { required: true },
)

/** The field `redis` of plugins that count in one. */
export function redisRecord(description: string) {
  return record(
    description,
    {
      host: string('The host.', { referenceable: true }),
      port: integer('The port.', { default: 6379, between: [0, 65_535], referenceable: true }),
      timeout: integer('The limit for one question, connecting included; milliseconds.', {
        default: 2000,
        between: [0, 2_147_483_646],
      }),
      username: string('The user, for a Redis with users.', { referenceable: true }),
      password: string('The password; none is sent without it.', { ...secret, len_min: 0 }),
      database: integer('The number of the database.', { default: 0 }),
      ssl: boolean('Whether to connect with TLS.', { default: false }),
      ssl_verify: boolean('Whether the certificate is checked.', { default: true }),
      server_name: string('The name that the certificate must have.', { referenceable: true }),
      cloud_authentication,
    },
    { required: true },
  )
}

type RedisConfig = Infer<ReturnType<typeof redisRecord>>

/**
 * The connection that a plugin shares with all who ask for the same Redis in the same way, kept over reloads; and a name
 * for both. `plugin` is a word that keeps the connections of plugins apart.
 */
export function keepRedis(
  plugin: string,
  config: RedisConfig,
  gateway: Pick<Gateway, 'ca' | 'keep'>,
): { redis: Redis; name: string } {
  const settings: RedisSettings = { ...config, host: config.host ?? '', ca: gateway.ca }
  // There is a password among the settings, so the name is a digest.
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('base64url')
  const name = `${plugin} ${digest}`
  return { redis: gateway.keep(name, () => new Redis(settings)), name }
}
