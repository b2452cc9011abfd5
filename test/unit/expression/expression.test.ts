import { expect, test } from 'bun:test'
import type { Condition } from '../../../src/expression/condition.ts'
import { checkExpression, parseExpression } from '../../../src/expression/expression.ts'

/** A condition with brackets around everything. */
function written(condition: Condition): string {
  switch (condition.is) {
    case 'not':
      return `!${written(condition.part)}`
    case 'predicate': {
      const { field, lower, any, operator, value } = condition
      const lowered = lower ? `lower(${field})` : field
      const left = any ? `any(${lowered})` : lowered
      return `${left} ${operator} ${value.type === 'Int' ? value.number : value.type === 'String' ? JSON.stringify(value.text) : value.type}`
    }
    default:
      return `(${condition.parts.map(written).join(condition.is === 'all' ? ' && ' : ' || ')})`
  }
}

// prettier-ignore
test.each([
  ['http.path == "/a"',                                   'http.path == "/a"'],
  ['  http.path\n^=\t"/a"  ',                             'http.path ^= "/a"'],
  ['http.path==r#"/a"b\\"#',                              'http.path == "/a\\"b\\\\"'],
  ['http.path == "\\"\\\\\\n\\r\\t"',                     'http.path == "\\"\\\\\\n\\r\\t"'],
  ['lower(http.path) =^ "/a"',                            'lower(http.path) =^ "/a"'],
  ['any ( lower ( http.headers.x_y ) ) contains "a"',     'any(lower(http.headers.x_y)) contains "a"'],
  ['lower(any(http.queries.A)) != "a"',                   'any(lower(http.queries.A)) != "a"'],
  ['net.port == 80 && net.port>=0x50 && net.dst.port <= 0120', '(net.dst.port == 80 && net.dst.port >= 80 && net.dst.port <= 80)'],
  ['net.src.port > -1 && net.src.port < 089',             '(net.src.port > -1 && net.src.port < 89)'],
  ['net.src.ip in 10.0.0.0/8',                            'net.src.ip in IpCidr'],
  ['net.src.ip not  in fd00::/64',                        'net.src.ip not in IpCidr'],
  ['net.dst.ip == ::1 || net.dst.ip != 1.1.1.1',          '(net.dst.ip == IpAddr || net.dst.ip != IpAddr)'],
  ['http.path ~ "^/a"',                                   'http.path ~ Regex'],
  ['http.path.segments.0 == "a" && http.path.segments.1_3 == "b/c/d" && http.path.segments.len == 4',
                                                          '(http.path.segments.0 == "a" && http.path.segments.1_3 == "b/c/d" && http.path.segments.len == 4)'],
  // `||` binds more strongly, other than almost everywhere.
  ['http.path == "a" && tls.sni == "b" || http.host == "c"', '(http.path == "a" && (tls.sni == "b" || http.host == "c"))'],
  ['http.path == "a" || tls.sni == "b" && http.host == "c"', '((http.path == "a" || tls.sni == "b") && http.host == "c")'],
  ['(http.path == "a" && tls.sni == "b") || http.host == "c"', '((http.path == "a" && tls.sni == "b") || http.host == "c")'],
  ['!(http.path == "a") && !((http.path == "b"))',        '(!http.path == "a" && !http.path == "b")'],
])('%s is read as %s', (source, condition) => {
  expect(checkExpression(source)).toBeUndefined()
  expect(written(parseExpression(source))).toBe(condition)
})

// prettier-ignore
test.each([
  ['',                                      'expected a field, at character 1 of the expression'],
  ['! http.path == "a"',                    'expected a comparison, or ( behind !, at character 1 of the expression'],
  ['http.path',                             'expected an operator, at character 10 of the expression'],
  ['http.path ==',                          'expected a text, a number or an address, at character 13 of the expression'],
  ['http.path == "a',                       'expected a text, a number or an address, at character 14 of the expression'],
  ['http.path == "\\d"',                    'expected a text, a number or an address, at character 14 of the expression'],
  ['http.path == "a" http',                 'expected && or ||, at character 18 of the expression'],
  ['(http.path == "a"',                     'expected ), at character 18 of the expression'],
  ['lower(http.path == "a"',                'expected ), at character 17 of the expression'],
  ['upper(http.path) == "a"',               'unknown function upper, at character 7 of the expression'],
  ['http.nothing == "a"',                   'unknown field http.nothing, at character 14 of the expression'],
  ['http.headers.a.b == "a"',               'unknown field http.headers.a.b, at character 18 of the expression'],
  ['http.path == 1',                        'http.path == expects a text in quotes, at character 11 of the expression'],
  ['http.path ~ 1',                         'http.path ~ expects a regex in quotes, at character 11 of the expression'],
  ['http.path in "a"',                      'http.path in expects a network, such as 10.0.0.0/8, at character 11 of the expression'],
  ['http.path in 10.0.0.0/8',               'in does not compare http.path, at character 11 of the expression'],
  ['http.path > 1',                         '> does not compare http.path, at character 11 of the expression'],
  ['net.dst.port ^= "8"',                   '^= does not compare net.dst.port, at character 14 of the expression'],
  ['net.dst.port ~ "8"',                    '~ does not compare net.dst.port, at character 14 of the expression'],
  ['lower(net.dst.port) == 8',              'lower() is for texts, and net.dst.port is none, at character 21 of the expression'],
  ['net.src.ip == 10.0.0.0/8',              'net.src.ip == expects an address, at character 12 of the expression'],
  ['net.src.ip in 10.0.0.1/8',              '10.0.0.1/8 has bits set behind those of the network, at character 15 of the expression'],
  ['net.src.ip in 10.0.0.0/33',             'invalid address 10.0.0.0/33, at character 15 of the expression'],
  ['net.src.ip == 1.1.1.256',               'invalid address 1.1.1.256, at character 15 of the expression'],
  ['net.dst.port == 9223372036854775808',   '9223372036854775808 is too large a number, at character 17 of the expression'],
  ['http.path ~ "("',                       "invalid regex: '(' (missing )), at character 16 of the expression"],
  ['http.path.segments.01 == "a"',          'illformed http.path.segments.* field'],
  ['http.path.segments.2_1 == "a"',         'illformed http.path.segments.* field'],
  [`${'('.repeat(300)}`,                    'too many brackets within each other, at character 202 of the expression'],
])('%s is refused: %s', (source, message) => {
  expect(checkExpression(source)).toBe(message)
})
