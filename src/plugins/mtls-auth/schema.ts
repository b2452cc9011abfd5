import { array, boolean, type Infer, integer, number, record, string } from '../../schema/field.ts'

const LOOKING_UP = 'looking up whether a certificate was revoked'

export const schema = record(
  'Lets those pass who begin TLS with a certificate of one of some authorities.',
  {
    ca_certificates: array(
      'The authorities that are trusted.',
      string('The id of a CA certificate.'),
      { required: true },
    ),
    allow_partial_chain: boolean(
      'Whether an authority in `ca_certificates` is trusted that is not a root, without its own authority standing there too.',
      { default: false },
    ),
    send_ca_dn: boolean(
      'Whether clients are told the names of these authorities when they are asked for a certificate.',
      { default: false },
    ),
    consumer_by: array(
      'What of a consumer may be a name in the certificate, in this order; nothing of it, if the list is empty.',
      string('A field of consumers.', { one_of: ['username', 'custom_id'] }),
      { default: ['username', 'custom_id'] },
    ),
    san_dirname_matcher: array(
      'The attributes of a directory name among the alternative names that count as names; all of them, if the list is empty.',
      string('An attribute: its OID, or its name as OpenSSL has it, long or short.'),
      { default: [] },
    ),
    skip_consumer_lookup: boolean(
      'Whether everybody passes who has such a certificate. The service is told its names, and no consumer.',
      { required: true, default: false },
    ),
    authenticated_group_by: string(
      'What of the certificate is the group of the caller for the acl plugin, where no consumer is looked up: its common name or its whole name.',
      { one_of: ['CN', 'DN'], default: 'CN' },
    ),
    default_consumer: string(
      'The id or username of the consumer that stands for callers whose certificate is good and names no consumer. Without it they are refused.',
    ),
    anonymous: string(
      'The id or username of the consumer that stands for callers who would be refused.',
    ),
    revocation_check_mode: string(
      'Whether it is looked up if a certificate was revoked, by OCSP or by a list, and what happens if that cannot be found out: it passes with `IGNORE_CA_ERROR`, and is refused with `STRICT`. With `SKIP` nobody is asked.',
      { one_of: ['SKIP', 'IGNORE_CA_ERROR', 'STRICT'], default: 'IGNORE_CA_ERROR' },
    ),
    cache_ttl: number('How long what was found of consumers is kept; seconds.', {
      required: true,
      default: 60,
    }),
    cert_cache_ttl: number('How long is kept what was found of revocations; milliseconds.', {
      required: true,
      default: 60_000,
    }),
    http_timeout: number(`The limit for ${LOOKING_UP}; milliseconds.`, { default: 30_000 }),
    http_proxy_host: string(`The host of the proxy for ${LOOKING_UP}.`),
    http_proxy_port: integer('The port of that proxy.', { between: [0, 65535] }),
    https_proxy_host: string(`The host of the proxy for ${LOOKING_UP} over TLS.`),
    https_proxy_port: integer('The port of that proxy.', { between: [0, 65535] }),
    ssl_verify: boolean('Whether certificates of servers are checked meanwhile.', {
      default: true,
    }),
  },
  { required: true },
)

export type Config = Infer<typeof schema>
