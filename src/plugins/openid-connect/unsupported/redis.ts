import { array, boolean, type Fields, integer, record, string } from '../../../schema/field.ts'
import { cloudFields, secret } from '../../redis.ts'

const MAX_INTEGER = 2_147_483_646
const PORT = [0, 65_535] as const

const cloud_authentication = record('How to log in to a Redis of a cloud provider.', cloudFields)

/** The connection to a Redis, as Kong describes it in all plugins. */
export const redisFields = {
  host: string('The host.', { default: '127.0.0.1', referenceable: true }),
  port: integer('The port.', { default: 6379, between: PORT, referenceable: true }),
  connect_timeout: integer('The limit for connecting; milliseconds.', {
    default: 2000,
    between: [0, MAX_INTEGER],
  }),
  send_timeout: integer('The limit for sending; milliseconds.', {
    default: 2000,
    between: [0, MAX_INTEGER],
  }),
  read_timeout: integer('The limit for reading; milliseconds.', {
    default: 2000,
    between: [0, MAX_INTEGER],
  }),
  username: string('The user.', { referenceable: true }),
  password: string('The password.', secret),
  database: integer('The number of the database.', { default: 0 }),
  ssl: boolean('Whether to connect with TLS.', { default: false }),
  ssl_verify: boolean('Whether the certificate is checked.', { default: true }),
  server_name: string('The name that the certificate must have.', { referenceable: true }),
  connection_is_proxied: boolean('Whether the connection passes a proxy such as Envoy.', {
    default: false,
  }),
  keepalive_pool_size: integer('How many connections are kept.', {
    default: 256,
    between: [1, MAX_INTEGER],
  }),
  keepalive_backlog: integer('How many may wait for one of them.', { between: [0, MAX_INTEGER] }),
  cluster_nodes: array(
    'The nodes of a Redis Cluster.',
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
  sentinel_role: string('Which of the servers to use.', { one_of: ['any', 'master', 'slave'] }),
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
  cloud_authentication,
} satisfies Fields
