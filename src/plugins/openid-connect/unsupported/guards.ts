import { array, boolean, integer, number, record, string } from '../../../schema/field.ts'

/** Refuses a field at load: without what it asks for, callers would pass whom Kong refuses. */
function unless(isHarmless: (value: never) => boolean, sentence = 'is not supported yet') {
  return { custom: (value: never) => (isHarmless(value) ? undefined : sentence) }
}
const never = unless(() => false)
const off = unless((value) => value === 'off')

const text = string('A text.')
const host = string('The host of the proxy.')
const port = integer('The port of the proxy.', { between: [0, 65_535] })

/** What keeps somebody out. */
export const fields = {
  proof_of_possession_mtls: string('Whether tokens have to be bound to the client certificate.', {
    default: 'off',
    one_of: ['off', 'optional', 'strict'],
    ...off,
  }),
  proof_of_possession_mtls_from_header: record(
    'Where to find the client certificate, if a proxy in front has ended TLS.',
    {
      certificate_header_name: string('The header with the certificate.', { required: true }),
      certificate_header_format: string('How the certificate is written.', {
        default: 'url_encoded',
        one_of: ['base64_encoded', 'url_encoded'],
      }),
      ca_certificates: array('The ids of the authorities that are trusted.', text, {
        required: true,
      }),
      allow_partial_chain: boolean('Whether an intermediate authority is enough.', {
        default: false,
      }),
      secure_source: boolean('Whether only trusted proxies may send the header.', {
        default: true,
      }),
      revocation_check_mode: string('What to do if a revocation cannot be looked up.', {
        default: 'IGNORE_CA_ERROR',
        one_of: ['IGNORE_CA_ERROR', 'SKIP', 'STRICT'],
      }),
      cert_cache_ttl: number(
        'How long a certificate that was checked is remembered; milliseconds.',
        {
          default: 60_000,
        },
      ),
      http_timeout: number('The limit for asking about revocations; milliseconds.', {
        default: 30_000,
      }),
      http_proxy_host: host,
      http_proxy_port: port,
      https_proxy_host: host,
      https_proxy_port: port,
      ssl_verify: boolean('Whether certificates are checked meanwhile.', { default: true }),
    },
    never,
  ),
  proof_of_possession_dpop: string('Whether tokens have to be bound to a key of the client.', {
    default: 'off',
    one_of: ['off', 'optional', 'strict'],
    ...off,
  }),
  domains: array('The values that the claim `hd` may have.', text, never),
  max_age: number('How long ago the user may have logged in; seconds.', never),
  principals: record('Looks callers up in Kong Identity.', {
    enabled: boolean('Whether they are looked up.', {
      default: false,
      ...unless(
        (value) => value === false,
        'Kong Identity is a service of Konnect and cannot be asked',
      ),
    }),
    directory: string('The directory of Kong Identity.', { default: 'default' }),
    principal_claim: array(
      'The path of the claim that names the principal.',
      string('The name of a member.', { len_min: 1 }),
      { len_min: 1 },
    ),
    principal_by: string('By what the principal is looked up.', { len_min: 1 }),
    match_consumer: boolean('Whether the principal names the consumer.', { default: true }),
    match_consumer_groups: boolean('Whether the principal names the consumer groups.', {
      default: true,
    }),
    error_on_miss: boolean('Whether callers whom Kong Identity does not know are refused.', {
      default: true,
    }),
  }),
}
