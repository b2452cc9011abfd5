import type { Config } from '../../../schema/field.ts'
import { isRecord } from '../../../schema/check.ts'
import type { Answered } from '../answered.ts'
import type { Claims } from '../claims.ts'
import type { Client } from '../clients.ts'
import { Refusal } from '../refusal.ts'
import type { fields as verification } from '../verify.ts'
import { parseObject } from './compact.ts'
import { type Decrypt, looksLikeJwe } from './jwe.ts'
import type { Resolved, ResolveClaims } from './distributed.ts'
import { isSameIssuer } from './judgement.ts'
import type { TokenKind } from './jws.ts'
import type { Verifier } from './verifier.ts'

/** What the provider says of a token or of its user, opened: JSON as it is, a JWT decrypted and verified. Throw `Refusal`. */
export interface AnswerReader {
  /** RFC 7662, RFC 9701. */
  introspection(answer: Answered, client: Client | undefined): Promise<Resolved>
  /** OpenID Connect Core §5.3.2. */
  userInfo(answer: Answered, client: Client | undefined): Promise<Resolved>
}

type Settings = Config<Pick<typeof verification, 'verify_signature' | 'ignore_signature'>>

/** RFC 9701 §5. */
const TYPE = 'token-introspection+jwt'

export function createAnswerReader(
  config: Settings,
  verifier: Pick<Verifier, 'verify'>,
  decrypt: Decrypt,
  resolve: ResolveClaims,
): AnswerReader {
  const isSigned = (method: 'introspection' | 'userinfo') =>
    config.verify_signature && !(config.ignore_signature as readonly string[]).includes(method)

  /** The JWS of an answer. Throws `Refusal`. */
  async function signedText(jwt: string, kind: TokenKind): Promise<string> {
    const text = looksLikeJwe(jwt) ? await decrypt(jwt) : jwt
    if (text !== undefined) return text
    throw new Refusal('provider_invalid_response', `no key of the gateway decrypts the ${kind}`)
  }

  return {
    async introspection({ claims, jwt }, client) {
      if (jwt === undefined) return resolve(claimsIn(claims))
      const text = await signedText(jwt, 'introspection answer')
      const isStandard = headerType(text) === TYPE
      const verified = await verifier.verify(
        text,
        {
          kind: 'introspection answer',
          strict: false,
          audience: isStandard ? client?.client_id : undefined,
        },
        isSigned('introspection'),
        client,
      )
      const { token_introspection: told, ...rest } = verified.claims
      // Providers that are older than the standard give the token itself, or put what they say of it at the top. An
      // answer of the standard without its type could be another token (RFC 9701 §8.1).
      if (!isStandard && told === undefined) return resolve(rest)
      if (isStandard && isRecord(told) && rest.iss !== undefined) return resolve(told)
      throw new Refusal('provider_invalid_response', 'the introspection answer breaks RFC 9701')
    },

    async userInfo({ claims, jwt }, client) {
      if (jwt === undefined) return resolve(claimsIn(claims))
      const text = await signedText(jwt, 'user info')
      const isFor = parseObject(text.split('.')[1] ?? '')?.aud !== undefined
      const { claims: told } = await verifier.verify(
        text,
        { kind: 'user info', strict: false, audience: isFor ? client?.client_id : undefined },
        isSigned('userinfo'),
        client,
      )
      return resolve(told)
    },
  }
}

function claimsIn(claims: Claims | undefined): Claims {
  if (claims) return claims
  throw new Refusal('provider_invalid_response', 'the answer holds no claims')
}

/** The type that a token's header names, in lower case. */
function headerType(token: string): string | undefined {
  const typ = parseObject(token.split('.', 1)[0]!)?.typ
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : undefined
}

/** Judges whether introspection tells of a token that was verified, as far as both say whose it is. Throws `Refusal`. */
export function judgeSameToken(told: Claims, token: Claims): void {
  const isOther = (['sub', 'iss'] as const).find((name) => {
    const [one, other] = [told[name], token[name]]
    if (one === undefined || other === undefined) return false
    return name === 'iss' ? !isSameIssuer(String(one), other) : one !== other
  })
  if (isOther !== undefined)
    throw new Refusal('invalid_token', `introspection tells of a token with another ${isOther}`)
}

/** Judges whether the user info is of the user of an ID token: it has to say so (OpenID Connect Core §5.3.2). */
export function isOfSameUser(userInfo: Claims, id: Claims): boolean {
  return userInfo.sub === id.sub
}
