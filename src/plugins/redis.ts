import { createHash } from 'node:crypto'
import type { Gateway } from '../pdk.ts'
import { Redis, type RedisSettings } from '../redis.ts'
import {
  array,
  boolean,
  type EntityCheck,
  type Fields,
  integer,
  record,
  string,
} from '../schema/field.ts'

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

const cloudDescription = 'How to log in to a Redis of a cloud provider.'
const cloudLogin = {
  ...cloudFields,
  auth_provider: string('Whose cloud it is.', {
    one_of: ['aws', 'azure', 'gcp'],
    referenceable: true,
    custom: () => "logging in with a cloud provider's identity is not built yet",
  }),
}

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
      cloud_authentication: record(cloudDescription, cloudLogin, { required: true }),
    },
    { required: true },
  )
}

const MAX_TIME = 2_147_483_646
const PORT = [0, 65_535] as const

/** The field `redis` of plugins that keep things in one: all ways to reach it. `more` are those that not all of them have. */
export function fullRedisRecord<F extends Fields>(description: string, more: F) {
  return record(description, { ...redisFields, ...more }, {}, { checks: redisChecks })
}

const redisFields = {
  host: string('The host.', { default: '127.0.0.1', referenceable: true }),
  port: integer('The port.', { default: 6379, between: PORT, referenceable: true }),
  connect_timeout: integer('The limit for connecting; milliseconds.', {
    default: 2000,
    between: [0, MAX_TIME],
  }),
  send_timeout: integer('The limit for sending; milliseconds.', {
    default: 2000,
    between: [0, MAX_TIME],
  }),
  read_timeout: integer('The limit for reading; milliseconds.', {
    default: 2000,
    between: [0, MAX_TIME],
  }),
  username: string('The user; for the Redis itself where there are sentinels.', {
    referenceable: true,
  }),
  password: string('The password; for the Redis itself where there are sentinels.', secret),
  database: integer('The number of the database; a cluster has but one.', { default: 0 }),
  ssl: boolean('Whether to connect with TLS, to sentinels and nodes of a cluster too.', {
    default: false,
  }),
  ssl_verify: boolean('Whether the certificate is checked.', { default: true }),
  server_name: string('The name that the certificate must have.', { referenceable: true }),
  connection_is_proxied: boolean(
    'Whether the connection passes a proxy such as Envoy, which is asked for keys and values alone.',
    { default: false },
  ),
  keepalive_pool_size: integer(
    'How many connections are kept in Kong. One that all requests share does here, so that nothing reads this.',
    { default: 256, between: [1, MAX_TIME] },
  ),
  keepalive_backlog: integer(
    'How many may wait for a connection in Kong. All may here, so that nothing reads this.',
    { between: [0, MAX_TIME] },
  ),
  cluster_nodes: array(
    'Some nodes of a Redis Cluster, which tell of the others.',
    record('A node.', {
      ip: string('The host.', { default: '127.0.0.1' }),
      port: integer('The port.', { default: 6379, between: PORT }),
    }),
    { len_min: 1 },
  ),
  cluster_max_redirections: integer('How many redirections within the cluster are followed.', {
    default: 5,
  }),
  sentinel_master: string('The name by which the sentinels know the master.'),
  sentinel_role: string(
    'Which of the servers to use; `any` is a replica while there is no master.',
    {
      one_of: ['any', 'master', 'slave'],
    },
  ),
  sentinel_nodes: array(
    'The sentinels.',
    record('A sentinel.', {
      host: string('The host.', { default: '127.0.0.1' }),
      port: integer('The port.', { default: 6379, between: PORT }),
    }),
    { len_min: 1 },
  ),
  sentinel_username: string('The user for the sentinels.', { referenceable: true }),
  sentinel_password: string('The password for the sentinels.', secret),
  cloud_authentication: record(cloudDescription, cloudLogin),
} satisfies Fields

const SENTINEL = ['sentinel_master', 'sentinel_role', 'sentinel_nodes'] as const

const redisChecks: readonly EntityCheck[] = [
  (redis) =>
    new Set(SENTINEL.map((name) => redis[name] === undefined)).size > 1
      ? `all or none of these fields must be set: ${SENTINEL.map((name) => `'${name}'`).join(', ')}`
      : undefined,
  ({ sentinel_master, cluster_nodes }) =>
    sentinel_master !== undefined && cluster_nodes !== undefined
      ? { field: 'cluster_nodes', message: 'cannot be set together with sentinel_master' }
      : undefined,
]

/** Milliseconds. */
const USUAL_TIME = 2000

/** What plugins know of a Redis: the fields of `redisRecord` or of `fullRedisRecord`. */
type RedisConfig = Partial<Omit<RedisSettings, 'ca'>>

/**
 * The connection that a plugin shares with all who ask for the same Redis in the same way, kept over reloads; and a name
 * for both. `plugin` is a word that keeps the connections of plugins apart.
 */
export function keepRedis(
  plugin: string,
  config: RedisConfig,
  gateway: Pick<Gateway, 'ca' | 'keep'>,
): { redis: Redis; name: string } {
  const settings: RedisSettings = {
    host: config.host ?? '127.0.0.1',
    port: config.port ?? 6379,
    socket: config.socket,
    database: config.database ?? 0,
    timeout: config.timeout,
    connect_timeout: config.connect_timeout ?? config.timeout ?? USUAL_TIME,
    send_timeout: config.send_timeout ?? config.timeout ?? USUAL_TIME,
    read_timeout: config.read_timeout ?? config.timeout ?? USUAL_TIME,
    username: config.username,
    password: config.password,
    ssl: config.ssl ?? false,
    ssl_verify: config.ssl_verify ?? true,
    server_name: config.server_name,
    ca: gateway.ca,
    connection_is_proxied: config.connection_is_proxied,
    cluster_nodes: config.cluster_nodes,
    cluster_max_redirections: config.cluster_max_redirections,
    sentinel_master: config.sentinel_master,
    sentinel_role: config.sentinel_role,
    sentinel_nodes: config.sentinel_nodes,
    sentinel_username: config.sentinel_username,
    sentinel_password: config.sentinel_password,
  }
  // There is a password among the settings, so the name is a digest.
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('base64url')
  const name = `${plugin} ${digest}`
  return { redis: gateway.keep(name, () => new Redis(settings)), name }
}
