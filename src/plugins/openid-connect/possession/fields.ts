import {
  array,
  boolean,
  type EntityCheck,
  integer,
  number,
  record,
  string,
} from '../../../schema/field.ts'
import { badHeaderName } from '../../header.ts'

const PORT = [0, 65_535] as const
const LOOKING_UP = 'looking up whether a certificate was revoked'
const MODES = ['off', 'strict', 'optional'] as const

export const fields = {
  proof_of_possession_mtls: string(
    'Whether tokens have to be bound to the client’s certificate (RFC 8705): all of them, those that name one, or none.',
    { default: 'off', one_of: MODES },
  ),
  proof_of_possession_mtls_from_header: record(
    'Where the client’s certificate is, if a proxy in front has ended TLS. It counts before that of the connection.',
    {
      certificate_header_name: string(
        'The header with the certificate; the service is not sent it.',
        {
          required: true,
          custom: badHeaderName,
        },
      ),
      certificate_header_format: string(
        'How the certificate is written: DER in Base64, or PEM with what a URL cannot hold escaped, perhaps with its authorities behind it.',
        { default: 'url_encoded', one_of: ['base64_encoded', 'url_encoded'] },
      ),
      ca_certificates: array(
        'The ids of the CA certificates that are trusted.',
        string('The id of a CA certificate.'),
        { required: true },
      ),
      allow_partial_chain: boolean(
        'Whether an authority in `ca_certificates` is trusted that is not a root, without its own authority standing there too.',
        { default: false },
      ),
      secure_source: boolean(
        'Whether only a proxy of `trusted_ips` may send the header. Anybody can send the certificate of another, so that nothing is proved without it.',
        { default: true },
      ),
      revocation_check_mode: string(
        'Whether it is found out that an authority has revoked the certificate, and what follows if that fails: nothing (`IGNORE_CA_ERROR`), or a 401 (`STRICT`).',
        { default: 'IGNORE_CA_ERROR', one_of: ['IGNORE_CA_ERROR', 'SKIP', 'STRICT'] },
      ),
      cert_cache_ttl: number('How long is kept what was found of a certificate; milliseconds.', {
        default: 60_000,
      }),
      http_timeout: number(`The limit for ${LOOKING_UP}; milliseconds.`, { default: 30_000 }),
      http_proxy_host: string(`The host of the proxy for ${LOOKING_UP}.`),
      http_proxy_port: integer('The port of that proxy.', { between: PORT }),
      https_proxy_host: string(`The host of the proxy for ${LOOKING_UP} over TLS.`),
      https_proxy_port: integer('The port of that proxy.', { between: PORT }),
      ssl_verify: boolean('Whether certificates of servers are checked meanwhile.', {
        default: true,
      }),
    },
  ),
  proof_of_possession_dpop: string(
    'Whether tokens have to be bound to a key of the client, which it proves to have with every request (DPoP, RFC 9449): all of them, those that name one, or none.',
    { default: 'off', one_of: MODES },
  ),
  proof_of_possession_auth_methods_validation: boolean(
    'Whether only methods may be configured whose tokens can be bound. Without it, those of the others pass unbound.',
    { default: true },
  ),
  dpop_use_nonce: boolean(
    'Whether a DPoP proof has to repeat a nonce of ours, so that nobody can make proofs beforehand.',
    { default: false },
  ),
  dpop_proof_lifetime: number(
    'How long a DPoP proof is good, from when its nonce was made, or without nonces from when it says that it was; seconds.',
    { default: 300 },
  ),
}

/** The methods whose tokens can be bound: what the client sends is what the provider has bound. */
export const BINDING_METHODS: ReadonlySet<string> = new Set(['bearer', 'introspection'])

/** `session` holds tokens of the others. */
const ALLOWED =
  'only bearer and introspection, and session beside one of them, can prove possession'

/** Kong's rule for the methods; `proof_of_possession_auth_methods_validation` turns it off. */
export const checks: readonly EntityCheck[] = [
  (config) => {
    const isOn = [config.proof_of_possession_mtls, config.proof_of_possession_dpop].some(
      (mode) => mode === 'strict' || mode === 'optional',
    )
    const { auth_methods: methods } = config
    if (!isOn || config.proof_of_possession_auth_methods_validation === false) return undefined
    const isBound = (method: unknown) => BINDING_METHODS.has(String(method))
    const isAllowed =
      Array.isArray(methods) &&
      methods.some(isBound) &&
      methods.every((method) => isBound(method) || method === 'session')
    return isAllowed
      ? undefined
      : {
          field: 'auth_methods',
          message: `${ALLOWED}; proof_of_possession_auth_methods_validation: false lets the others pass unbound`,
        }
  },
]
