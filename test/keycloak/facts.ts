import { expect } from 'bun:test'
import type { Fact } from './how_to.ts'
import type { Answer } from './reader.ts'

/** Checks a fact that can be told by an answer alone; a word that is not known is a failure. */
export function checkFact(fact: Fact, answer: Answer): void {
  const { why: _why, basis: _basis, ...said } = fact
  if ('www_authenticate' in said)
    return checkValue(answer.headers['www-authenticate'], { startswith: said.www_authenticate })
  if ('www_authenticate_error' in said)
    return checkValue(answer.headers['www-authenticate'], {
      includes: `error="${said.www_authenticate_error}"`,
    })
  if ('response_header' in said) {
    const { response_header, cookie, ...rest } = said
    const value = answer.headers[String(response_header).toLowerCase()]
    return checkValue(cookie === undefined ? value : cookieOf(value, String(cookie)), rest)
  }
  if ('jwt_at' in said) {
    const { jwt_at, claim, ...rest } = said
    return checkValue(claimsOf(valueAt(answer, jwt_at))[String(claim)], rest)
  }
  const { path, ...rest } = said
  checkValue(valueAt(answer, path), rest)
}

function valueAt({ body }: Answer, path: unknown): unknown {
  let value: unknown = JSON.parse(body)
  for (const name of String(path).split('.')) value = memberOf(value, name)
  return value
}

/** A member by its name in any case: httpbin shows the names of header fields in a way of its own. */
function memberOf(value: unknown, name: string): unknown {
  const members = Object.entries((value ?? {}) as Record<string, unknown>)
  return members.find(([each]) => each.toLowerCase() === name.toLowerCase())?.[1]
}

function claimsOf(authorization: unknown): Record<string, unknown> {
  const payload = String(authorization).split('.')[1] ?? ''
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

/** The attributes of a cookie that is set. */
function cookieOf(value: string | undefined, name: string): string | undefined {
  const cookie = value?.split('\n').find((each) => each.startsWith(`${name}=`))
  return cookie?.slice(cookie.indexOf('; ') + 2)
}

function checkValue(value: unknown, said: Readonly<Record<string, unknown>>): void {
  const { join = ' ', ...words } = said
  const list = () => String(value).split(String(join))
  const query = () => Object.fromEntries(new URL(String(value)).searchParams)
  expect(Object.keys(words)).not.toEqual([])
  for (const [word, wanted] of Object.entries(words)) {
    switch (word) {
      case 'matches':
        expect(value).toMatch(new RegExp(String(wanted)))
        break
      case 'not_matches':
        expect(value).not.toMatch(new RegExp(String(wanted)))
        break
      case 'startswith':
        expect(value).toStartWith(String(wanted))
        break
      case 'includes':
        expect(value).toContain(String(wanted))
        break
      case 'present':
        expect(value !== undefined && value !== null).toBe(wanted as boolean)
        break
      case 'absent':
        expect(value === undefined || value === null).toBe(wanted as boolean)
        break
      case 'equals':
      case 'exact_attributes':
        expect(value).toEqual(wanted)
        break
      case 'not_equals':
        expect(value).not.toEqual(wanted)
        break
      case 'word_contains':
        expect(list()).toContain(String(wanted))
        break
      case 'not_contains':
        expect([value].flat()).not.toContain(wanted)
        break
      case 'set_equals':
      case 'word_set':
        expect(list().sort()).toEqual([...(wanted as string[])].sort())
        break
      case 'query_has':
        expect(query()).toMatchObject(wanted as Record<string, string>)
        break
      case 'query_present':
        expect(Object.keys(query())).toEqual(expect.arrayContaining(wanted as string[]))
        break
      case 'query_prefix':
        for (const [name, start] of Object.entries(wanted as Record<string, string>))
          expect(query()[name]).toStartWith(start)
        break
      default:
        throw new Error(`a fact of an unknown kind: ${word}`)
    }
  }
}
