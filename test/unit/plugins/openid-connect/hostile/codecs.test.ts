import { describe, expect, test } from 'bun:test'
import { HeaderList } from '../../../../../src/headers.ts'
import { FORM, readBodyArguments, removeArguments } from '../../../../../src/plugins/arguments.ts'
import { addressOf, urlOf } from '../../../../../src/plugins/openid-connect/address.ts'
import { findClaim, wordsOf } from '../../../../../src/plugins/openid-connect/claims.ts'
import { createIdentityHeaders } from '../../../../../src/plugins/openid-connect/headers.ts'
import { PendingLogins } from '../../../../../src/plugins/openid-connect/login/pending.ts'
import { readBasic } from '../../../../../src/plugins/openid-connect/methods/method.ts'
import { normalizeTarget } from '../../../../../src/plugins/openid-connect/possession/target.ts'
import { quotable, Refusal } from '../../../../../src/plugins/openid-connect/refusal.ts'
import {
  chunkNames,
  readChunks,
  writeChunks,
} from '../../../../../src/plugins/openid-connect/session/chunks.ts'
import { readCookies } from '../../../../../src/plugins/openid-connect/session/cookies.ts'
import { withDefaults } from '../../../../../src/plugins/openid-connect/schema.ts'
import { random } from '../../../random.ts'
import { TestContext } from '../../context.ts'
import { configure } from '../plugin.ts'

const numbers = random(7)
const pick = <T>(list: readonly T[]): T => list[numbers(list.length)]!
const SIGNS = [
  ...'abcXYZ019-_.~ =;,&%+"\'\\/?#:@[]{}()<>|^`!$*',
  ...[
    '\0',
    '\r',
    '\n',
    '\t',
    '\x7f',
    'é',
    'ß',
    '😀',
    '\u2028',
    '\u202e',
    '\ud800',
    '\uffff',
    '%41',
    '%2',
    '%zz',
    '__proto__',
  ],
]
const textOf = (signs: readonly string[], most: number) =>
  Array.from({ length: numbers(most) }, () => pick(signs)).join('')
const anyText = (most = 30) => textOf(SIGNS, most)
const times = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Any JSON. */
function anyValue(depth = 3): unknown {
  switch (numbers(depth > 0 ? 8 : 5)) {
    case 0:
      return anyText()
    case 1:
      return numbers(1000) - 500 + numbers(2) / 2
    case 2:
      return numbers(2) === 0
    case 3:
      return null
    case 4:
      return pick(['', 'sub', '0', '1', 'constructor', 'length'])
    case 5:
      return times(numbers(4)).map(() => anyValue(depth - 1))
    default:
      return anyObject(depth - 1)
  }
}

function anyObject(depth = 3): Record<string, unknown> {
  const members = times(numbers(5)).map(() => [
    pick(['a', 'b', '1', '2', 'a.b', anyText(4)]),
    anyValue(depth),
  ])
  return JSON.parse(JSON.stringify(Object.fromEntries(members))) as Record<string, unknown>
}

describe('cookies', () => {
  const COOKIE = [...'abcXYZ019-_.~!$*|^`/:@()<>[]{}%+&#?"\'\\,'].filter(
    (sign) => !'=; '.includes(sign),
  )

  test('what was sent under a name is found, in its order, four times at most', () => {
    for (const _ of times(2000)) {
      const names = ['session', 'session2', 'Session', 'other', 'sessio']
      const pairs = times(numbers(12)).map(() => [pick(names), textOf(COOKIE, 20)] as const)
      const fields: (readonly [string, string])[] = []
      for (let at = 0; at < pairs.length;) {
        const count = 1 + numbers(4)
        const some = pairs
          .slice(at, at + count)
          .map(([name, value]) => `${pick(['', ' ', '\t'])}${name}${pick(['=', ' = '])}${value}`)
        fields.push([pick(['Cookie', 'cookie']), some.join(pick([';', '; ', ';;', ' ; ']))])
        at += count
      }
      const found = readCookies(HeaderList.of(fields), new Set(['session', 'session2']))
      for (const name of ['session', 'session2']) {
        const sent = pairs.filter(([each]) => each === name).map(([, value]) => value)
        expect(found.get(name) ?? []).toEqual(sent.slice(0, 4))
      }
      expect([...found.keys()].every((name) => name.startsWith('session'))).toBe(true)
    }
  })

  test('any text at all is read without a fault, and says nothing of names that are not asked for', () => {
    for (const _ of times(3000)) {
      const headers = HeaderList.of(times(numbers(4)).map(() => ['Cookie', anyText(60)] as const))
      const found = readCookies(headers, new Set(['a', 'b']))
      for (const [name, values] of found) {
        expect(['a', 'b']).toContain(name)
        for (const value of values) expect(value).not.toContain(';')
      }
    }
  })

  test('a text that was cut comes together again, whatever was there before, in any order of cookies', () => {
    for (const _ of times(300)) {
      const names = chunkNames(pick(['session', 's', 'x'.repeat(80)]))
      const text = textOf([...'ABCxyz019-_'], 5 + numbers(36_000))
      const attributes = pick([
        '; Path=/',
        '; Path=/; SameSite=Lax; Secure; HttpOnly',
        `; Domain=${'d'.repeat(60)}.test; Path=/`,
      ])
      const before = new Map(names.slice(0, numbers(10)).map((name) => [name, ['old']]))
      const cookies = writeChunks(names, text, attributes, '', before)
      if (!cookies) {
        expect(text.length).toBeGreaterThan(9 * (4096 - 81 - attributes.length))
        continue
      }
      const jar = new Map([...before].map(([name, [value]]) => [name, value!]))
      for (const cookie of cookies) {
        expect(
          cookie.length - (cookie.includes('Max-Age=0') ? cookie.length : 0),
        ).toBeLessThanOrEqual(4096)
        const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(cookie)!
        if (cookie.includes('Max-Age=0')) jar.delete(name)
        else jar.set(name, value)
      }
      const shuffled = [...jar].sort(() => numbers(3) - 1)
      const sent = shuffled.map(([name, value]) => `${name}=${value}`).join('; ')
      const brought = readCookies(HeaderList.of([['Cookie', sent]]), new Set(names))
      if (text === '') continue
      expect([...readChunks(names, brought, () => text.length)]).toEqual([text])
    }
  })

  test('logins under way come back as they were, the newest first, and in one cookie', () => {
    const config = withDefaults(configure({ auth_methods: ['authorization_code'] }))
    const secrets = ['secret']
    const logins = new PendingLogins(config, { secrets, issuer: 'https://a.test', now: () => 1000 })
    const other = new PendingLogins(config, { secrets, issuer: 'https://b.test', now: () => 1000 })
    for (const _ of times(200)) {
      const all = times(1 + numbers(12)).map((i) => ({
        state: `state-${i}`,
        nonce: anyText().toWellFormed(),
        redirect_uri: 'https://gateway.test/',
        client_id: anyText().toWellFormed(),
        url: `https://gateway.test/${textOf([...'abc/%20'], 400)}`,
        began: 999 - i,
      }))
      const { request } = new TestContext()
      const [cookie = ''] = logins.write(request, all)!
      expect(cookie.length).toBeLessThanOrEqual(4096)
      const { request: next } = new TestContext({ headers: [['Cookie', cookie.split(';')[0]!]] })
      const read = logins.read(next)
      expect(read.length).toBeGreaterThan(0)
      expect(read).toEqual(all.slice(0, read.length))
      expect(other.read(next)).toEqual([])
    }
  })
})

describe('headers made of claims', () => {
  const headers = createIdentityHeaders(
    withDefaults(
      configure({
        upstream_access_token_header: null,
        upstream_headers: [{ header: 'X-Claim', path: ['claim'] }],
      }),
    ),
  )
  const nothing = {
    ...{
      access_token: undefined,
      access_token_jwk: undefined,
      id_token: undefined,
      id_token_jwk: undefined,
    },
    ...{ refresh_token: undefined, introspection: undefined, introspection_jwt: undefined },
    ...{ user_info: undefined, user_info_jwt: undefined },
  }

  test('any claim is one field of one line, which says the claim, or none', () => {
    for (const _ of times(10_000)) {
      const [claim] = JSON.parse(JSON.stringify([anyValue()])) as [unknown]
      const [field] = headers.upstream({ ...nothing, claims: [{ claim }] })
      if (field === undefined) {
        const isBroken = typeof claim === 'string' && /[\x00-\x08\x0a-\x1f\x7f]/.test(claim)
        expect([claim, claim === null || isBroken]).toEqual([claim, true])
        continue
      }
      const [name, value] = field
      expect(name).toBe('X-Claim')
      expect(value).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
      if (typeof claim === 'object')
        expect(JSON.parse(Buffer.from(value, 'base64').toString())).toEqual(claim as object)
      else expect(Buffer.from(value, 'latin1').toString()).toBe(String(claim).toWellFormed())
      if (typeof claim === 'object') expect(value).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
    }
  })
})

describe('claims', () => {
  /** The same by the words of the specification. */
  function naive(value: unknown, [name, ...rest]: readonly string[]): unknown {
    if (name === undefined) return value ?? undefined
    if (Array.isArray(value)) {
      const i = value.findIndex((_, i) => String(i + 1) === name)
      return i < 0 ? undefined : naive(value[i], rest)
    }
    if (typeof value !== 'object' || value === null) return undefined
    const found = Object.entries(value).find(([each]) => each === name)
    return found && naive(found[1], rest)
  }

  test('a path leads where it says, and never out of the claims', () => {
    const NAMES = ['a', 'b', 'a.b', '1', '2', 'length', 'constructor', '__proto__', 'toString', '']
    for (const _ of times(20_000)) {
      const claims = anyObject()
      const path = times(1 + numbers(4)).map(() => pick(NAMES))
      const found = findClaim(claims, path)
      expect([claims, path, found]).toEqual([claims, path, naive(claims, path)])
      expect(typeof found).not.toBe('function')
      expect(wordsOf(found).every((word) => typeof word === 'string')).toBe(true)
    }
  })
})

describe('what a request says', () => {
  test('arguments are found as they were written, and gone when they are taken out', async () => {
    for (const _ of times(2000)) {
      const names = ['access_token', 'a b', 'é', '__proto__', 'x']
      const pairs = times(1 + numbers(6)).map(
        () => [pick(names), anyText(12).toWellFormed()] as const,
      )
      const body = new URLSearchParams(
        pairs.map(([name, value]): [string, string] => [name, value]),
      ).toString()
      const { request } = new TestContext({ body, headers: [['Content-Type', FORM]] })
      const read = await readBodyArguments(request)
      for (const name of names) {
        const sent = pairs.filter(([each]) => each === name)
        const [only] = sent
        if (sent.length > 1) expect(typeof read.get(name)).toBe('symbol')
        else expect(read.get(name)).toBe(only?.[1] as string)
      }
      const rest = new URLSearchParams(Buffer.from(read.without(['a b', 'x'])).toString())
      const kept = pairs.filter(([name]) => name !== 'a b' && name !== 'x')
      expect([...rest]).toEqual(kept.map(([name, value]) => [name, value]))
      expect(removeArguments(body, names)).toBe('')
    }
  })

  test('names and passwords are read as they were sent, plain or in Base64 of either alphabet', () => {
    for (const _ of times(5000)) {
      const name = textOf([...'abcé@. 1'], 12) + 'n'
      const secret = textOf([...'abc:é% 1+/='], 12) + 's'
      const base64 = Buffer.from(`${name}:${secret}`).toString(
        pick(['base64', 'base64url'] as const),
      )
      expect(readBasic(`Basic ${base64}`)).toEqual({ name, secret })
    }
  })

  test('credentials that are none are refused, in no other way', () => {
    for (const _ of times(5000)) {
      try {
        const { name, secret } = readBasic(`Basic ${anyText(40)}`)
        expect([name === '', secret === '']).toEqual([false, false])
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal)
      }
    }
  })

  test('its address is one of the gateway, whatever its path and host are', () => {
    for (const _ of times(5000)) {
      const { request } = new TestContext()
      const host = pick(['gateway.test', 'gateway.test:8000', '[::1]:8000', anyText(12)])
      const path = `/${anyText(20)}`
      const isPeerTrusted = numbers(2) === 0
      const forwarded = [
        'X-Forwarded-Host',
        'X-Forwarded-Proto',
        'X-Forwarded-Path',
        'X-Forwarded-Port',
      ]
      const headers = HeaderList.of(forwarded.map((name) => [name, anyText(12)] as const))
      const address = addressOf({ ...request, host, rawPath: path, path, headers, isPeerTrusted })
      const url = urlOf(address)
      expect(url).toMatch(/^https?:\/\/[\w.:[\]-]*\/[\x21-\x7e]*$/)
      if (address.host === '') continue
      const parsed = URL.parse(url)
      if (parsed) expect([parsed.username, parsed.password, parsed.search]).toEqual(['', '', ''])
      if (parsed && !isPeerTrusted && host.startsWith('gateway.test'))
        expect(parsed.hostname).toBe('gateway.test')
    }
  })

  test('what a DPoP proof is for has one spelling', () => {
    for (const _ of times(5000)) {
      const uri = `${pick(['http', 'HTTPS', 'ftp'])}://${pick(['a.test', 'A.test:443', 'a.test:80', anyText(8)])}/${anyText(20)}`
      const one = normalizeTarget(uri)
      if (one === undefined) continue
      expect(normalizeTarget(one)).toBe(one)
      expect(one).toMatch(/^https?:\/\/[^/?#]+\/[^?#]*$/)
    }
  })
})

test('text of others is one short line without tokens', () => {
  const token = `${'eyJhbGciOiJFUzI1NiJ9'}.${'eyJzdWIiOiJhbGV4In0'}.${'c2lnbmF0dXJl'}`
  for (const _ of times(5000)) {
    const text = quotable(`${anyText(80)} ${token} ${anyText(400)}`)
    expect(text.length).toBeLessThanOrEqual(200)
    expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/)
    expect(text).not.toContain('eyJhbGciOiJFUzI1NiJ9.eyJ')
  }
})
