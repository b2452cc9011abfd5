import type { BodyArguments } from '../../arguments.ts'
import {
  type CredentialKind,
  type Finder,
  findPair,
  hasScheme,
  type Place,
  queryOf,
  readBasic,
  readPair,
} from './method.ts'

/** Finds a name and its secret: as `Basic` in `Authorization`, or as two arguments of the query or the body. */
export function createPairFinder(
  kind: CredentialKind,
  types: readonly string[],
  name: string,
  secret: string,
): Finder {
  const searchesHeader = types.includes('header')
  const searchesQuery = types.includes('query')
  const names = [name, secret]
  const header: Place = { id: 'authorization', header: 'authorization', read: readBasic }
  const query: Place = { id: 'query', arguments: names, read: readPair }
  const body: Place = { id: 'body', arguments: names, isBody: true, read: readPair }

  return {
    kind,
    secretArguments: [secret],
    find(request) {
      if (searchesHeader) {
        const raw = request.headers.get('authorization')
        if (raw !== undefined && hasScheme(raw, 'basic')) return { kind, place: header, raw }
      }
      if (!searchesQuery || request.query === '') return undefined
      const raw = findPair(queryOf(request), name, secret)
      return raw === undefined ? undefined : { kind, place: query, raw }
    },
    ...(types.includes('body') && {
      findInBody(args: BodyArguments) {
        const raw = findPair(args.get, name, secret)
        return raw === undefined ? undefined : { kind, place: body, raw }
      },
    }),
  }
}
