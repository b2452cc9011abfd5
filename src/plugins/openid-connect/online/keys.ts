import { isRecord } from '../../../schema/check.ts'
import { quotable } from '../refusal.ts'
import type { Config } from '../schema.ts'
import { ASYMMETRIC, SYMMETRIC } from '../verify/algorithms.ts'
import { createKeySet } from '../verify/keys.ts'
import type { Found } from './found.ts'
import type { Survey } from './survey.ts'

/** The methods whose tokens are verified with keys. */
const VERIFYING = [
  'authorization_code',
  'bearer',
  'client_credentials',
  'password',
  'refresh_token',
]

/** Whether the keys of the provider can verify what it signs. */
export function checkKeys(config: Config, { keys, metadata, document }: Survey): Found[] {
  const isNeeded =
    config.verify_signature && config.auth_methods.some((name) => VERIFYING.includes(name))
  const findings: Found[] = []
  const worst = isNeeded ? 'error' : 'note'
  for (const { field, failure } of keys) {
    const isOnly = keys.every((each) => each.failure)
    const level = isOnly || !isNeeded ? worst : 'warning'
    if (failure) findings.push({ level, code: failure.code, field, message: failure.message })
  }
  if (metadata && keys.length === 0)
    findings.push({
      level: worst,
      code: 'keys_missing',
      field: ['issuer'],
      message: 'the provider names no place of its keys (jwks_uri), and jwks_endpoint is not set',
    })
  const answered = keys.filter((each) => !each.failure)
  const judged = answered.flatMap(({ field, keys }) =>
    keys.map((jwk) => ({ field, ...judge(jwk) })),
  )
  const isUsable = judged.some(({ fault }) => fault === undefined)
  for (const { field, name, fault } of judged)
    if (fault !== undefined && !IS_FOR_OTHERS.test(fault))
      findings.push({
        level: isUsable ? 'warning' : worst,
        code: 'key_unusable',
        field,
        message: `the key ${name} of the provider cannot verify tokens: ${fault}`,
      })
  if (answered.length > 0 && !isUsable)
    findings.push({
      level: worst,
      code: 'keys_missing',
      field: answered[0]!.field,
      message: 'none of the keys of the provider can verify tokens',
    })
  findings.push(...checkAlgorithms(config, document))
  return findings
}

/** Every provider that encrypts has such keys. */
const IS_FOR_OTHERS = /^it is for (?:another use|other operations)/

function judge(jwk: unknown): { name: string; fault: string | undefined } {
  if (!isRecord(jwk)) return { name: 'without a kid', fault: 'it is no JWK' }
  const name = typeof jwk.kid === 'string' ? `"${quotable(jwk.kid)}"` : 'without a kid'
  const { unusable } = createKeySet([{ ...jwk, kid: 'it' }])
  return { name, fault: unusable.get('it') }
}

/** Whether ID tokens can be signed in a way that is taken here. */
function checkAlgorithms(
  { enable_hs_signatures, auth_methods }: Config,
  document: Survey['document'],
): Found[] {
  const announced = document.id_token_signing_alg_values_supported
  if (!Array.isArray(announced) || !auth_methods.includes('authorization_code')) return []
  const known = [...Object.keys(ASYMMETRIC), ...(enable_hs_signatures ? SYMMETRIC : [])]
  if (announced.some((each) => known.includes(String(each)))) return []
  const isSymmetric = announced.some((each) => SYMMETRIC.includes(String(each)))
  const hint = isSymmetric ? '; enable_hs_signatures takes those with the client secret' : ''
  return [
    {
      level: 'error',
      code: 'algorithm_not_supported',
      field: isSymmetric ? ['enable_hs_signatures'] : ['issuer'],
      message: `the provider signs ID tokens with ${quotable(announced.join(', '))} only, none of which is taken${hint}`,
    },
  ]
}
