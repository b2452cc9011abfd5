import { array, type Config, record, string } from '../../schema/field.ts'
import { badHeaderName } from '../header.ts'
import { type Claims, findClaim } from './claims.ts'

const tokenHeader = (what: string, whither: string, rules: { default?: string } = {}) =>
  string(
    `The header that carries ${what} to the ${whither}; \`name:bearer\` puts \`Bearer\` before it.`,
    { ...rules, custom: badTokenHeader },
  )
const claimHeaders = (whither: string) =>
  array(
    `Claims that are sent to the ${whither} as headers: texts as they are, lists and objects as Base64 of their JSON.`,
    record('A claim and its header.', {
      header: string('The name of the header.', { required: true, custom: badHeaderName }),
      path: array('The path of the claim.', string('The name of a member.'), {
        required: true,
        len_min: 1,
      }),
    }),
  )
const claimNames = (whither: string) =>
  array(
    `Claims that are sent to the ${whither}, without a path: the older way.`,
    string('The name of a claim.'),
  )
const headerNames = array(
  'The headers of those claims, in the same order.',
  string('The name of a header.', { custom: badHeaderName }),
)

export const fields = {
  upstream_access_token_header: tokenHeader('the access token', 'service', {
    default: 'authorization:bearer',
  }),
  upstream_access_token_jwk_header: tokenHeader('the key of the access token', 'service'),
  upstream_id_token_header: tokenHeader('the ID token', 'service'),
  upstream_id_token_jwk_header: tokenHeader('the key of the ID token', 'service'),
  upstream_refresh_token_header: tokenHeader('the refresh token', 'service'),
  upstream_user_info_header: tokenHeader('the user info', 'service'),
  upstream_user_info_jwt_header: tokenHeader('the user info, where it is a JWT,', 'service'),
  upstream_introspection_header: tokenHeader('what introspection tells', 'service'),
  upstream_introspection_jwt_header: tokenHeader(
    'what introspection tells, where it is a JWT,',
    'service',
  ),
  upstream_headers: claimHeaders('service'),
  upstream_headers_claims: claimNames('service'),
  upstream_headers_names: headerNames,
  downstream_access_token_header: tokenHeader('the access token', 'client'),
  downstream_access_token_jwk_header: tokenHeader('the key of the access token', 'client'),
  downstream_id_token_header: tokenHeader('the ID token', 'client'),
  downstream_id_token_jwk_header: tokenHeader('the key of the ID token', 'client'),
  downstream_refresh_token_header: tokenHeader('the refresh token', 'client'),
  downstream_user_info_header: tokenHeader('the user info', 'client'),
  downstream_user_info_jwt_header: tokenHeader('the user info, where it is a JWT,', 'client'),
  downstream_introspection_header: tokenHeader('what introspection tells', 'client'),
  downstream_introspection_jwt_header: tokenHeader(
    'what introspection tells, where it is a JWT,',
    'client',
  ),
  downstream_headers: claimHeaders('client'),
  downstream_headers_claims: claimNames('client'),
  downstream_headers_names: headerNames,
}

/** What is known of a caller, as far as headers can tell it. */
export interface Identity {
  readonly access_token: string | undefined
  /** The key that has signed it, if one was asked. */
  readonly access_token_jwk: object | undefined
  readonly id_token: string | undefined
  readonly id_token_jwk: object | undefined
  readonly refresh_token: string | undefined
  readonly introspection: Claims | undefined
  /** What introspection told, as it came, if it was a JWT. */
  readonly introspection_jwt: string | undefined
  readonly user_info: Claims | undefined
  readonly user_info_jwt: string | undefined
  /** Where claims are looked for: introspection, access token, ID token, user info; as many as there are, in this order. */
  readonly claims: readonly Claims[]
}

/** Header fields ready to be sent: made once for an identity, used for each of its requests. */
export type Fields = readonly (readonly [name: string, value: string])[]

export interface IdentityHeaders {
  /** The names of all headers that only the gateway may send to the service. */
  readonly names: readonly string[]
  upstream(identity: Identity): Fields
  downstream(identity: Identity): Fields
  /** Whether there is anything to tell the client. */
  readonly hasDownstream: boolean
  /** Whether anybody is told the keys that signed the tokens. */
  readonly tellsKeys: boolean
  /** Whether anybody is told the user info. */
  readonly tellsUserInfo: boolean
}

export function createIdentityHeaders(config: Config<typeof fields>): IdentityHeaders {
  const upstream = rulesOf(config, 'upstream')
  const downstream = rulesOf(config, 'downstream')
  return {
    names: upstream.map(({ name }) => name),
    upstream: (identity) => upstream.flatMap((rule) => fieldOf(rule, identity)),
    downstream: (identity) => downstream.flatMap((rule) => fieldOf(rule, identity)),
    hasDownstream: downstream.length > 0,
    tellsKeys: [
      config.upstream_access_token_jwk_header,
      config.upstream_id_token_jwk_header,
      config.downstream_access_token_jwk_header,
      config.downstream_id_token_jwk_header,
    ].some((header) => header !== undefined),
    tellsUserInfo: [
      config.upstream_user_info_header,
      config.upstream_user_info_jwt_header,
      config.downstream_user_info_header,
      config.downstream_user_info_jwt_header,
    ].some((header) => header !== undefined),
  }
}

interface Rule {
  readonly name: string
  value(identity: Identity): string | undefined
}

function rulesOf(config: Config<typeof fields>, whither: 'upstream' | 'downstream'): Rule[] {
  return [
    ...TOLD.flatMap((what) => told(config[`${whither}_${what}_header`], what)),
    ...(config[`${whither}_headers`] ?? []).map(claim),
    ...older(config[`${whither}_headers_claims`], config[`${whither}_headers_names`]),
  ]
}

function fieldOf({ name, value }: Rule, identity: Identity): [string, string][] {
  const text = value(identity)
  return text === undefined ? [] : [[name, text]]
}

/** What has a field of its own, beside single claims. */
const TOLD = [
  'access_token',
  'access_token_jwk',
  'id_token',
  'id_token_jwk',
  'refresh_token',
  'user_info',
  'user_info_jwt',
  'introspection',
  'introspection_jwt',
] as const

function told(header: string | undefined, what: (typeof TOLD)[number]): Rule[] {
  if (header === undefined) return []
  const [name = '', scheme] = header.split(':')
  const prefix = scheme === undefined ? '' : 'Bearer '
  const value = ({ [what]: told }: Identity) => {
    const text = told === undefined ? undefined : wireValue(told)
    return text === undefined ? undefined : prefix + text
  }
  return [{ name: wireName(name), value }]
}

function claim({ header, path }: { header: string; path: readonly string[] }): Rule {
  return {
    name: wireName(header),
    value({ claims }) {
      for (const each of claims) {
        const found = findClaim(each, path)
        if (found !== undefined) return wireValue(found)
      }
      return undefined
    },
  }
}

function older(
  claims: readonly string[] | undefined,
  names: readonly string[] | undefined,
): Rule[] {
  return (claims ?? []).flatMap((name, i) => {
    const header = names?.[i]
    return header === undefined ? [] : [claim({ header, path: [name] })]
  })
}

/** The name as Kong shows it on the wire: `refresh_token` is `Refresh-Token`. */
export function wireName(name: string): string {
  return name.replaceAll('_', '-').replace(/(^|-)([a-z])/g, (start) => start.toUpperCase())
}

/** A claim as a header's value, in UTF-8 as a byte a character; nothing where it could end the header. */
function wireValue(value: unknown): string | undefined {
  const isList = typeof value === 'object'
  const text = isList ? Buffer.from(JSON.stringify(value)).toString('base64') : String(value)
  const bytes = Buffer.from(text).toString('latin1')
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(bytes) ? undefined : bytes
}

function badTokenHeader(header: string): string | undefined {
  const [name = '', ...rest] = header.split(':')
  const isPlain = rest.length === 0 || (rest.length === 1 && rest[0]?.toLowerCase() === 'bearer')
  return isPlain ? badHeaderName(name) : 'expected the name of a header, or name:bearer'
}
