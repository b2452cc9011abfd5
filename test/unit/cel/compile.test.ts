import { describe, expect, test } from 'bun:test'
import { checkCondition, compileCondition } from '../../../src/cel/compile.ts'
import type { FieldUse } from '../../../src/cel/field.ts'
import { EvaluationError, type Value } from '../../../src/cel/value.ts'

/** What a request of the tests has, by Kong's names; all else is null. */
const REQUEST: Readonly<Record<string, Value>> = {
  'http.method': 'POST',
  'http.host': 'api.example.com',
  'http.path': '/api/v1/ärger',
  'http.path_segments': ['api', 'v1', 'ärger'],
  'http.headers.x_version': '2',
  'http.headers.x_smile': '😀é',
  'http.headers_list.x_roles': ['editor', 'admin'],
  'http.queries.auth': 'required',
  'http.queries.a-b': 'dashed',
  'net.dst.port': 8443,
  'net.src.port': 50_000,
  'net.src.ip': '10.0.0.1',
  'consumer.tags': ['vip', 'gold'],
  'plugins.key_auth.is_matched': true,
  'plugins.key_auth.priority': 1250,
  'kong.ctx.shared': new Map<string, Value>([
    ['flag', 'enabled'],
    ['nothing', null],
    ['number', 7],
    ['inner', new Map([['list', ['a']]])],
  ]),
}

function reader({ name, key }: FieldUse): () => Value {
  return () => REQUEST[name.replace('*', key)] ?? null
}

function evaluate(source: string): boolean | string {
  try {
    return compileCondition(source, reader)(undefined)
  } catch (error) {
    if (error instanceof EvaluationError) return error.message
    throw error
  }
}

// prettier-ignore
const CASES: readonly (readonly [string, boolean | string])[] = [
  // Each example of Kong's reference.
  ['http.method == "GET"', false],
  ['http.method == "GET" && net.dst.port == 443', false],
  ['http.method == "GET" || http.method == "POST"', true],
  ['!(http.method == "DELETE")', true],
  ['(http.method == "GET" || http.method == "POST") && net.dst.port == 8443', true],
  ['http.host == "api.example.com"', true],
  ['http.path.startsWith("/api/v2")', false],
  ['"admin" in http.path_segments', false],
  ['http.path_segments[0] == "api"', true],
  ['http.headers.x_version == "2"', true],
  ['http.queries.auth == "required"', true],
  ['http.headers_list.x_roles != null && "editor" in http.headers_list.x_roles', true],
  ['http.queries_list.tag != null && "featured" in http.queries_list.tag', false],
  ['net.protocol == "https"', false],
  ['net.tls.sni == "api.example.com"', false],
  ['net.src.ip == "10.0.0.1"', true],
  ['net.src.port > 1024', true],
  ['route.tags != null && "internal" in route.tags', false],
  ['consumer.tags != null && "vip" in consumer.tags', true],
  ['consumer_group.names != null && "premium" in consumer_group.names', false],
  ['has(kong.ctx.shared.flag) && kong.ctx.shared.flag == "enabled"', true],
  ['has(kong.ctx.shared.other) && kong.ctx.shared.other == "enabled"', false],
  ['default(kong.ctx.shared.other == "enabled", false)', false],
  ['default(kong.ctx.shared.other == "enabled", true)', true],
  ['has(principal.metadata.department) && principal.metadata.department == "finance"', false],
  ['default(principal.metadata["Department"] == "finance", false)', false],
  ['plugins.key_auth.is_matched == true', true],
  ['plugins.key_auth.priority > 1000', true],
  ['plugins.acl.access_has_executed == true', false],
  ['http.path.matches("^/api/v[0-9]+$")', false],
  ['http.path.matches("v[0-9]+")', true],
  ['consumer.id != null', false],
  ['!http.path.contains("skip")', true],
  // Those of our own documents.
  ['!http.path.startsWith("/health")', true],
  ['consumer.tags == null || !("vip" in consumer.tags)', false],
  ['http.headers.x_role != null && http.headers.x_role.startsWith("a")', false],

  // Values.
  ['true', true],
  ['null == null', true],
  ['consumer.id == null', true],
  ['null == http.method', false],
  ['http.headers.absent != "x"', true],
  ['net.dst.port == 0x20FB', true],
  ['net.dst.port > -1', true],
  ['net.dst.port >= 8443 && net.dst.port <= 8443 && !(net.dst.port < 8443)', true],
  ['"a" < "b" && "B" < "a"', true],
  ['"\\uFFFF" < "\\U0001F600"', true],
  ['http.path_segments == ["api", "v1", "ärger"]', true],
  ['http.path_segments == ["api"]', false],
  ['[] == []', true],
  ["'it\\'s' == \"it's\"", true],
  ['"""a "b" c""" == \'a "b" c\'', true],
  ['r"\\d" == "\\\\d"', true],
  ['"\\x41\\101\\u0041\\U00000041\\t" == "AAAA\t"', true],
  ['http.method + "-" + http.host == "POST-api.example.com"', true],
  ['size(http.headers.x_smile) == 2 && http.headers.x_smile.size() == 2', true],
  ['size(http.path_segments) == 3 && consumer.tags.size() == 2', true],
  ['http.headers.x_smile.matches("^..$")', true],
  ['http.path.endsWith("/ärger")', true],
  ['http.queries["a-b"] == "dashed"', true],
  ['http.method == "GET" ? false : net.dst.port == 8443', true],
  ['// which\nhttp.method // that\n == "POST"', true],
  ['!!true', true],
  ['kong.ctx.shared["flag"] == "enabled" && "flag" in kong.ctx.shared', true],
  ['kong.ctx.shared.number > 6', true],
  ['kong.ctx.shared.number == "7"', false],
  ['has(kong.ctx.shared.nothing) && kong.ctx.shared.nothing == null', true],
  ['kong.ctx.shared.inner.list[0] == "a" && !has(kong.ctx.shared.inner.other)', true],

  // Macros.
  ['consumer.tags.exists(t, t == "gold")', true],
  ['consumer.tags.all(t, t.startsWith("v"))', false],
  ['[].all(t, t == "x") && ![].exists(t, true)', true],
  ['consumer.tags.exists_one(t, size(t) == 3)', true],
  ['consumer.tags.filter(t, t.contains("o")) == ["gold"]', true],
  ['consumer.tags.map(t, t + "!") == ["vip!", "gold!"]', true],
  ['consumer.tags.map(t, size(t)) == [3, 4]', true],
  ['consumer.tags.map(t, t != "vip", t + "?") == ["gold?"]', true],
  ['consumer.tags.exists(a, http.path_segments.exists(b, a == "vip" && b == "v1"))', true],
  ['consumer.tags.exists(http, http == "vip") && http.method == "POST"', true],
  ['[["a"], ["b"]].exists(l, "b" in l)', true],

  // What means nothing for the request. A side that decides makes up for the other.
  ['http.headers.absent.startsWith("x")', 'startsWith() expects a text and got null'],
  ['"x" in route.tags', 'in does not take a text and null'],
  ['route.tags.exists(t, t == "x")', 'exists() expects a list and got null'],
  ['http.path_segments[3] == "x"', 'No such element: 3'],
  ['http.path_segments[-1] == "x"', 'No such element: -1'],
  ['kong.ctx.shared.other == "x"', 'No such key: other'],
  ['kong.ctx.shared.constructor == "x" || kong.ctx.shared.__proto__ == "x"', 'No such key: __proto__'],
  ['principal.metadata.department == "x"', '[] does not read a text of null'],
  ['net.src.port < consumer.id.size()', 'size() expects a text and got null'],
  ['plugins.acl.priority > 1', '> does not take null and a number'],
  ['kong.ctx.shared.flag', 'a condition expects true or false and got a text'],
  ['plugins.acl.is_matched', 'a condition expects true or false and got null'],
  ['http.headers.absent.startsWith("x") || http.method == "POST"', true],
  ['http.method == "GET" && http.headers.absent.startsWith("x")', false],
  ['http.headers.absent.startsWith("x") && http.method == "GET"', false],
  ['http.headers.absent.startsWith("x") && http.method == "POST"', 'startsWith() expects a text and got null'],
  ['[null, "x"].exists(t, t.startsWith("x"))', true],
  ['[null, "x"].all(t, t.startsWith("x"))', 'startsWith() expects a text and got null'],
  ['default(http.path_segments[9] == "x", true)', true],
]

test.each(CASES)('%s', (source, expected) => {
  expect(evaluate(source)).toBe(expected)
})

// prettier-ignore
const FAULTS: readonly (readonly [string, string])[] = [
  ['http.method', 'expected true or false and got a text, at character 1'],
  ['http.method == ', 'expected a field, a value or (, at character 16'],
  ['http.method == "GET" http.path', 'expected an operator, or the end, at character 22'],
  ['(true', 'expected ), at character 6'],
  ['true ? false', 'expected :, at character 13'],
  ['http.metod == "GET"', 'unknown field http.metod (did you mean http.method?), at character 1'],
  ['something == 1', 'unknown field something, at character 1'],
  ['consumer != null', 'consumer is no value by itself; name one of its fields, as in consumer.id, at character 1'],
  ['http.headers["X-Version"] == "2"', 'headers are named in lower case and with _, as x_version, at character 1'],
  ['http.headers[http.method] == "2"', 'http.headers is no value by itself; name one of its fields, as in http.headers.*, at character 1'],
  ['http.method.foo == "2"', 'a text has no members, at character 1'],
  ['http.method[0] == "2"', '[] does not read a number of a text, at character 1'],
  ['http.method == 1', '== does not take a text and a number, at character 1'],
  ['http.method < 1', '< does not take a text and a number, at character 1'],
  ['true < false', '< does not take true or false and true or false, at character 1'],
  ['"x" in http.method', 'in does not take a text and a text, at character 1'],
  ['1 in http.path_segments', 'in does not take a number and a list, at character 1'],
  ['net.src.port + 1 == 2', '+ does not take a number and a number, at character 1'],
  ['net.src.port - 1 == 2', 'conditions have no -, at character 14'],
  ['net.src.port == 1.5', 'numbers are whole, without a suffix, at character 17'],
  ['net.src.port == 1u', 'numbers are whole, without a suffix, at character 17'],
  ['net.src.port == 9223372036854775807', '9223372036854775807 is too large a number, at character 17'],
  ['["a", 1] == []', 'the elements of a list are of one type, at character 7'],
  ['!http.method', '! expects true or false and got a text, at character 2'],
  ['http.method && true', '&& expects true or false and got a text, at character 1'],
  ['true ? 1 : "a"', 'both sides of the : must be of one type, at character 1'],
  ['http.path.matches("(")', `invalid regex: '(' (missing )), at character 19`],
  ['http.path.matches(http.method)', 'matches() takes a regex in quotes, at character 1'],
  ['http.path.contains(1)', 'contains() takes one text, at character 1'],
  ['http.path_segments.contains("a")', 'contains() is for texts, and this is a list, at character 1'],
  ['http.path.lowerAscii() == "a"', 'unknown function lowerAscii(), at character 1'],
  ['http.path.constructor("a")', 'unknown function constructor(), at character 1'],
  ['string(1) == "1"', 'unknown function string(), at character 1'],
  ['size(1) == 1', 'size() is for texts and lists, and this is a number, at character 1'],
  ['has(http.headers.x)', 'has() is for the members of maps; a field is compared with null: http.headers.x != null, at character 1'],
  ['has(kong.ctx.shared)', 'has() is for the members of maps; a field is compared with null: kong.ctx.shared != null, at character 1'],
  ['has("a")', 'has() takes a member of a map, as in has(kong.ctx.shared.name), at character 1'],
  ['has(kong.ctx.shared.authenticated_jwt_token)', 'kong.ctx.shared.authenticated_jwt_token is not supported yet; remove it, at character 1'],
  ['true && default(true, false)', 'default() stands around the whole expression and nowhere else, at character 9'],
  ['default(true)', 'default() takes an expression, and true or false, at character 1'],
  ['default(true, 1)', 'default() falls back to true or false alone, at character 15'],
  ['http.method.exists(t, true)', 'exists() is for lists, and this is a text, at character 1'],
  ['consumer.tags.exists("t", true)', 'exists() takes a name for the elements, and an expression, at character 1'],
  ['consumer.tags.exists(t, t)', 'exists() expects true or false and got a text, at character 25'],
  ['consumer.tags.all(t, t == 1)', '== does not take a text and a number, at character 22'],
  ['"\\q" == ""', 'unknown escape \\q, at character 1'],
  ['"\\uD800" == ""', 'an escape that is no character, at character 1'],
  ['b"a" == b"a"', 'there are no texts with b before their quotes, at character 1'],
  ['"a', 'expected a field, a value or (, at character 1'],
  ['{"a": 1} == {}', 'expected a field, a value or (, at character 1'],
  ['while == 1', 'while is no field, at character 1'],
  ['http.path ^= "/a"', 'expected an operator, or the end, at character 11'],
  ['('.repeat(200), 'too many expressions within each other, at character 101'],
  // Each operator holds what stands before it: a chain of them would exhaust the stack as brackets would.
  [Array(20_000).fill('true').join(' || '), 'too many operators, at character 8009'],
  [`kong.ctx.shared${'.a'.repeat(2000)} == "a"`, 'too many operators, at character 2013'],
  ['['.repeat(1024), 'too many expressions within each other, at character 101'],
]

describe('faults', () => {
  test.each(FAULTS)('%s', (source, expected) => {
    expect(checkCondition(source)).toBe(`${expected} of the expression`)
  })
})

describe('what a client could make long', () => {
  const many = Array.from({ length: 5000 }, (_, i) => String(i))
  const long = 'a'.repeat(32_000)
  const withValues = (field: string, value: Value) => (use: FieldUse) => () =>
    use.name === field ? value : null

  test.each([
    'http.headers_list.x.all(a, http.headers_list.x.all(b, http.headers_list.x.all(c, a != b + c)))',
    'http.headers_list.x.map(a, http.headers_list.x.map(b, a + b)).all(l, size(l) == 0)',
    'default(http.headers_list.x.all(a, !http.headers_list.x.exists(b, a + "x" == b)), true)',
    'default(http.headers_list.x.all(a, a in http.headers_list.x), true)',
  ])('%s ends with an error that default() does not answer for', (source) => {
    const condition = compileCondition(source, withValues('http.headers_list.*', many))
    const begun = performance.now()
    expect(() => condition(undefined)).toThrow('the expression takes too long for this request')
    expect(performance.now() - begun).toBeLessThan(500)
  })

  test('a regex that others would try in every way takes time by the length of the text', () => {
    const source = 'http.path.matches("^(a+)+$") && http.path.matches("(a|aa)*b")'
    const condition = compileCondition(source, withValues('http.path', long))
    const begun = performance.now()
    expect(condition(undefined)).toBe(false)
    expect(performance.now() - begun).toBeLessThan(500)
  })

  test('each part of an expression is evaluated once, also where many of them fail', () => {
    let reads = 0
    const counting = () => () => {
      reads++
      return null
    }
    const source = `${'(consumer.id.startsWith("x") || '.repeat(15)}false${')'.repeat(15)}`
    expect(() => compileCondition(source, counting)(undefined)).toThrow(EvaluationError)
    expect(reads).toBe(15)
  })
})
