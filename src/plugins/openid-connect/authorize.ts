import { array, type Config, string } from '../../schema/field.ts'
import { type Claims, findClaim, wordsOf } from './claims.ts'
import { type Code, Refusal } from './refusal.ts'

const element = string('The name of a member, or a position in a list, from 1.')
const words = string('Words between spaces, all of which are needed.')
const path = (what: string, name: string) =>
  array(`Where the ${what} stand in the token: the path of the claim.`, element, {
    default: [name],
  })
const required = (what: string) =>
  array(`The ${what} that a caller needs: one of the elements, of which each word.`, words)

export const fields = {
  scopes_claim: path('scopes', 'scope'),
  scopes_required: required('scopes'),
  audience_claim: path('audiences', 'aud'),
  audience_required: required('audiences'),
  groups_claim: path('groups', 'groups'),
  groups_required: required('groups'),
  roles_claim: path('roles', 'roles'),
  roles_required: required('roles'),
  claims_forbidden: array('Claims that no token may have.', string('The name of a claim.')),
}

/**
 * Judges what is known of an access token, by introspection and from itself: of several sources the first that has a
 * claim counts. Gives the refusal, or nothing for a caller who may pass.
 */
export type Authorize = (claims: readonly Claims[]) => Refusal | undefined

export function createAuthorize(config: Config<typeof fields>): Authorize {
  // prettier-ignore
  const requirements = [
    requirement('insufficient_scope',    'scopes_required',   config.scopes_claim,   config.scopes_required),
    requirement('insufficient_audience', 'audience_required', config.audience_claim, config.audience_required),
    requirement('insufficient_groups',   'groups_required',   config.groups_claim,   config.groups_required),
    requirement('insufficient_roles',    'roles_required',    config.roles_claim,    config.roles_required),
    ...(config.claims_forbidden ?? []).map(prohibition),
  ]
  return (claims) => {
    for (const broken of requirements) {
      const refusal = broken(claims)
      if (refusal) return refusal
    }
    return undefined
  }
}

function requirement(
  code: Code,
  field: string,
  claim: readonly string[],
  alternatives: readonly string[] | undefined,
): Authorize {
  if (alternatives === undefined || alternatives.length === 0) return () => undefined
  const refusal = new Refusal(code, `the claim "${claim.join('.')}" does not satisfy ${field}`)
  // An element of nothing but spaces asks for no word; that must not mean that everybody has all of them.
  const sets = alternatives.map(wordsOf).filter((set) => set.length > 0)
  return (claims) => {
    const found = claims.map((each) => findClaim(each, claim)).find((value) => value !== undefined)
    const held = new Set(wordsOf(found))
    return sets.some((set) => set.every((word) => held.has(word))) ? undefined : refusal
  }
}

function prohibition(name: string): Authorize {
  const refusal = new Refusal('forbidden_claim', `the claim "${name}" is forbidden`)
  return (claims) => (claims.some((each) => Object.hasOwn(each, name)) ? refusal : undefined)
}
