import { createPublicKey } from 'node:crypto'
import { foreign, type Infer, record, string } from '../schema/field.ts'
import { conditional } from './conditions.ts'
import { created_at, id, tags } from './typedefs.ts'

/** Those for which Kong demands the public key. */
const KEYED = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'] as const
// prettier-ignore
const ALGORITHMS = [
  'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA',
] as const

/** What the jwt plugin verifies a consumer's tokens with. */
export const jwt_secret = record(
  "What the jwt plugin verifies a consumer's tokens with.",
  {
    id,
    consumer: foreign('The owner.', 'consumers', { required: true }),
    key: string('What a token has in its claim `iss`; drawn at each load if absent. Unique.', {
      auto: true,
    }),
    secret: string('The secret of HMAC; drawn at each load if absent.', { auto: true }),
    rsa_public_key: string('The public key, in PEM.'),
    algorithm: string('How tokens are signed.', {
      required: true,
      default: 'HS256',
      one_of: ALGORITHMS,
    }),
    tags,
    created_at,
  },
  { required: true },
  {
    checks: [
      conditional(
        'algorithm',
        (value) => (KEYED as readonly unknown[]).includes(value),
        'rsa_public_key',
        badPublicKey,
      ),
    ],
  },
)

export type JwtSecret = Infer<typeof jwt_secret>

function badPublicKey(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'required field missing'
  try {
    createPublicKey(value)
    return undefined
  } catch {
    return 'invalid key'
  }
}
