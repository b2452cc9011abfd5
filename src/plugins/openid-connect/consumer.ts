import { array, type Config, string } from '../../schema/field.ts'
import { type Claims, findClaim, wordsOf } from './claims.ts'

const element = string('The name of a member, or a position in a list, from 1.')

export const fields = {
  anonymous: string(
    'The id or username of the consumer that stands for callers who are not let in. Without it they are refused.',
  ),
  credential_claim: array(
    'The path of the claim by which other plugins tell callers apart, where no consumer is known.',
    element,
    { default: ['sub'] },
  ),
  authenticated_groups_claim: array(
    'The path of the claim with the groups that the service is told in `X-Authenticated-Groups`.',
    element,
  ),
}

/** The credential that stands for a caller without a consumer: the first claim that is there. */
export function credentialOf(
  { credential_claim }: Config<typeof fields>,
  claims: readonly Claims[],
): { readonly id: string } | undefined {
  const id = firstClaim(claims, credential_claim)
  return typeof id === 'string' || typeof id === 'number' ? { id: String(id) } : undefined
}

/** The caller's groups, if the tokens name any. */
export function groupsOf(
  { authenticated_groups_claim }: Config<typeof fields>,
  claims: readonly Claims[],
): readonly string[] | undefined {
  if (authenticated_groups_claim === undefined) return undefined
  const groups = wordsOf(firstClaim(claims, authenticated_groups_claim))
  return groups.length > 0 ? groups : undefined
}

function firstClaim(claims: readonly Claims[], path: readonly string[]): unknown {
  return claims.map((each) => findClaim(each, path)).find((value) => value !== undefined)
}
