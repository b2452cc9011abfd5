import {
  array,
  boolean,
  type Config as ConfigOf,
  type Field,
  integer,
  number,
  record,
  type Shorthand,
  string,
} from '../../schema/field.ts'
import { fields as admission } from './admit.ts'
import { fields as answers } from './answer.ts'
import { fields as authentication } from './authenticate.ts'
import { fields as authorization } from './authorize.ts'
import { fields as cluster } from './cluster_cache.ts'
import { fields as consumers } from './consumer.ts'
import { fields as headers } from './headers.ts'
import { fields as login } from './login/fields.ts'
import { fields as logout } from './logout/fields.ts'
import { fields as lookups } from './lookups.ts'
import { checks as possessionChecks, fields as possession } from './possession/fields.ts'
import { fields as principals } from './principals.ts'
import { checks as providerChecks, fields as provider } from './provider.ts'
import { fields as proving } from './prove.ts'
import { checks as sessionChecks, fields as sessions } from './session/index.ts'
import { fields as sessionMethod } from './session_method.ts'
import { fields as tokens } from './tokens.ts'
import { fields as verification } from './verify.ts'

const fields = {
  ...provider,
  ...authentication,
  ...tokens,
  ...verification,
  ...authorization,
  ...consumers,
  ...headers,
  ...answers,
  ...admission,
  ...possession,
  ...proving,
  ...lookups,
  ...cluster,
  ...sessions,
  ...sessionMethod,
  ...login,
  ...logout,
  ...principals,
}

export type Config = ConfigOf<typeof fields>

/** An older name of a field. */
function renamed(field: Field, name: string): Shorthand {
  return { field, expand: (value: unknown) => ({ [name]: value }) }
}

/** An older name of a field of `redis`. */
function inRedis(field: Field, name: string): Shorthand {
  return { field, expand: (value: unknown) => ({ redis: { [name]: value } }) }
}

const older = (name: string) => `The older name of \`${name}\`.`
const text = (name: string) => string(older(name))
const count = (name: string) => integer(older(name))
const seconds = (name: string) => number(older(name))
const flag = (name: string) => boolean(older(name))

// prettier-ignore
const shorthands: Readonly<Record<string, Shorthand>> = {
  consumer_claim: {
    field: array('The path of the one claim that names the consumer: the older form of `consumer_claims`.', string('The name of a member.')),
    expand: (path: readonly string[]) => ({ consumer_claims: [path] }),
  },
  session_redis_host:                        inRedis(text('redis.host'), 'host'),
  session_redis_port:                        inRedis(count('redis.port'), 'port'),
  session_redis_username:                    inRedis(text('redis.username'), 'username'),
  session_redis_password:                    inRedis(text('redis.password'), 'password'),
  session_redis_prefix:                      inRedis(text('redis.prefix'), 'prefix'),
  session_redis_socket:                      inRedis(text('redis.socket'), 'socket'),
  session_redis_connect_timeout:             inRedis(count('redis.connect_timeout'), 'connect_timeout'),
  session_redis_send_timeout:                inRedis(count('redis.send_timeout'), 'send_timeout'),
  session_redis_read_timeout:                inRedis(count('redis.read_timeout'), 'read_timeout'),
  session_redis_ssl:                         inRedis(flag('redis.ssl'), 'ssl'),
  session_redis_ssl_verify:                  inRedis(flag('redis.ssl_verify'), 'ssl_verify'),
  session_redis_server_name:                 inRedis(text('redis.server_name'), 'server_name'),
  session_redis_cluster_max_redirections:    inRedis(count('redis.cluster_max_redirections'), 'cluster_max_redirections'),
  session_redis_cluster_maxredirections:     inRedis(count('redis.cluster_max_redirections'), 'cluster_max_redirections'),
  session_redis_cluster_nodes: inRedis(
    array(older('redis.cluster_nodes'), record('A node.', { ip: string('The host.'), port: integer('The port.') })),
    'cluster_nodes',
  ),
  authorization_cookie_lifetime:             renamed(seconds('authorization_rolling_timeout'), 'authorization_rolling_timeout'),
  authorization_cookie_samesite:             renamed(text('authorization_cookie_same_site'), 'authorization_cookie_same_site'),
  authorization_cookie_httponly:             renamed(flag('authorization_cookie_http_only'), 'authorization_cookie_http_only'),
  session_cookie_lifetime:                   renamed(seconds('session_rolling_timeout'), 'session_rolling_timeout'),
  session_cookie_idletime:                   renamed(seconds('session_idling_timeout'), 'session_idling_timeout'),
  session_cookie_samesite:                   renamed(text('session_cookie_same_site'), 'session_cookie_same_site'),
  session_cookie_httponly:                   renamed(flag('session_cookie_http_only'), 'session_cookie_http_only'),
  session_memcache_host:                     renamed(text('session_memcached_host'), 'session_memcached_host'),
  session_memcache_port:                     renamed(count('session_memcached_port'), 'session_memcached_port'),
  session_memcache_prefix:                   renamed(text('session_memcached_prefix'), 'session_memcached_prefix'),
  session_memcache_socket:                   renamed(text('session_memcached_socket'), 'session_memcached_socket'),
}

export const schema = record(
  'Lets those pass whom an OpenID Connect provider knows.',
  fields,
  { required: true },
  { shorthands, checks: [...providerChecks, ...sessionChecks, ...possessionChecks] },
)

/** Where null says "nothing" instead of "as usual". */
const NULL_IS_NOTHING: ReadonlySet<string> = new Set([
  'scopes',
  'login_tokens',
  'upstream_access_token_header',
])

/** Fills in what was set to null: for most fields Kong takes that for their default. */
export function withDefaults(config: Config): Config {
  const filled: Record<string, unknown> = { ...config }
  for (const [name, { rules }] of Object.entries<Field>(fields)) {
    if (filled[name] === undefined && !NULL_IS_NOTHING.has(name)) filled[name] = rules.default
  }
  return filled as Config
}
