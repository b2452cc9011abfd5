import type { BodyArguments } from '../../arguments.ts'
import { array, type Config, string } from '../../../schema/field.ts'
import { Refusal } from '../refusal.ts'
import { createPairFinder } from './basic.ts'
import { type Credential, type Finder, findPair, type Place, queryOf, readToken } from './method.ts'

export const fields = {
  client_credentials_param_type: array(
    'Where client ids and secrets are looked for: as `Basic`, or as the arguments `client_id` and `client_secret`; or `client_assertion` and `client_assertion_type`.',
    string('A place.', { one_of: ['header', 'query', 'body'] }),
    { default: ['body', 'header', 'query'] },
  ),
}

const KIND = 'client_credentials'
const ASSERTION = 'client_assertion'
const ASSERTION_TYPE = 'client_assertion_type'
const NAMES = [ASSERTION_TYPE, ASSERTION]
const QUERY: Place = { id: 'assertion-query', arguments: NAMES, read: readAssertion }
const BODY: Place = { id: 'assertion-body', arguments: NAMES, isBody: true, read: readAssertion }

/** A caller's own client id and secret, or its assertion, which the provider turns into a token (RFC 6749 §4.4, RFC 7523 §2.2). */
export function createClientCredentials(config: Config<typeof fields>): Finder {
  const types = config.client_credentials_param_type
  const pair = createPairFinder(KIND, types, 'client_id', 'client_secret')
  return {
    kind: KIND,
    secretArguments: [...pair.secretArguments, ASSERTION],
    find(request) {
      const found = pair.find(request)
      if (found || !types.includes('query') || request.query === '') return found
      const raw = findPair(queryOf(request), ASSERTION_TYPE, ASSERTION)
      return raw === undefined ? undefined : { kind: KIND, place: QUERY, raw }
    },
    ...(pair.findInBody && {
      findInBody(args: BodyArguments) {
        const found = pair.findInBody!(args)
        if (found) return found
        const raw = findPair(args.get, ASSERTION_TYPE, ASSERTION)
        return raw === undefined ? undefined : { kind: KIND, place: BODY, raw }
      },
    }),
  }
}

function readAssertion(raw: string): Credential {
  const [type = '', assertion = ''] = JSON.parse(raw) as string[]
  if (type !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    throw new Refusal('malformed_credentials', 'client_assertion_type is none that is known')
  return { ...readToken(assertion), isAssertion: true }
}
