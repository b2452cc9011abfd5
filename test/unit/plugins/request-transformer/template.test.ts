import { expect, test } from 'bun:test'
import {
  badTemplate,
  compileTemplate,
  type RequestValues,
} from '../../../../src/plugins/request-transformer/template.ts'

const values: RequestValues = {
  headers: (name) =>
    ({ host: 'a.test', 'User-Agent': 'curl', 'X-Foo': ['1', '2'] })[name] as string | undefined,
  query_params: (name) => ({ q: '20', flag: true as const, ref: 'user' })[name],
  uri_captures: (name) => ({ 0: '/user/alex', 1: 'alex', user: 'alex', 'user-id': '7' })[name],
}

// prettier-ignore
test.each([
  ['plain',                                             'plain'],
  ['',                                                  ''],
  ['$(headers.host)',                                   'a.test'],
  ['<$(query_params.q)> and <$(uri_captures.user)>',    '<20> and <alex>'],
  ['$(uri_captures["user-id"])',                        '7'],
  ["$(headers['User-Agent'])",                          'curl'],
  ['$(uri_captures[0])$(uri_captures[1])',              '/user/alexalex'],
  ['$(uri_captures.none)',                              ''],
  ["$(uri_captures.none or 'default')",                 'default'],
  ["$(uri_captures.user or 'default')",                 'alex'],
  ["$(uri_captures.none or query_params.none or 1.5)",  '1.5'],
  ['$(query_params.flag)',                              'true'],
  ['$(query_params.q == "20" and "yes" or "no")',       'yes'],
  ['$(query_params.q ~= "20" and "yes" or "no")',       'no'],
  ['$(not query_params.none and "absent")',             'absent'],
  ['$(false)$(nil)',                                    ''],
  ['$("a" .. 1 .. uri_captures.user)',                  'a1alex'],
  ['$(("a" == "b") == false and "ok")',                 'ok'],
  ['$(type(headers["X-Foo"]))',                         'table'],
  ['$(type(headers.none))',                             'nil'],
  ['$(headers["X-Foo"])',                               '1, 2'],
  ['$(headers["X-Foo"][2])',                            '2'],
  ['$(headers.host[1])',                                ''],
  ['$(uri_captures[query_params.ref])',                 'alex'],
  ['$(type(headers["X-Foo"]) == "table" and headers["X-Foo"][1] .. "-first" or headers["X-Foo"])', '1-first'],
  ['$("a\\"b\\\\c\\n")',                                'a"b\\c\n'],
  // What is quoted is text, and what is not closed as well.
  ["$('$(uri_captures.user)')",                         '$(uri_captures.user)'],
  ['$(uri_captures.user',                               '$(uri_captures.user'],
  ['$5 (five)',                                         '$5 (five)'],
])('%s is filled in', (source, expected) => {
  expect(compileTemplate(source)(values)).toBe(expected)
})

// prettier-ignore
test.each([
  ['$(uri_captures user)',        'uri_captures must be followed by a name, as in uri_captures.name'],
  ['$(10 * uri_captures.user)',   "'*' is Lua that is not run here"],
  ['$(ERROR())',                  "'ERROR' is Lua that is not run here"],
  ['$(os.execute("ls"))',         "'os' is Lua that is not run here"],
  ['$((function() return 1 end)())', "'function' is Lua that is not run here"],
  ['$(headers.host:upper())',     "':' is Lua that is not run here"],
  ['$(headers.host < "b")',       "'<' is Lua that is not run here"],
  ['$(#headers.host)',            "'#' is Lua that is not run here"],
  ['$(shared.written = true)',    'shared is filled by plugins in Lua, and none run here'],
  ['$(headers)',                  'headers must be followed by a name, as in headers.name'],
  ['$()',                         'something is missing at the end'],
  ['$(headers.)',                 'a name is missing after the dot'],
  ['$(headers["a")',              'a \']\' is missing'],
  ['$(headers."a")',              "'a' is not expected there"],
  ['$("a)',                       "'\"' is Lua that is not run here"],
  ['$(query_params.a or)',        'something is missing at the end'],
])('%s is refused', (source, message) => {
  expect(badTemplate(source)).toStartWith(
    `value is not in supported format, error: ${message}`,
  )
})

test('names of JavaScript are nothing to a template', () => {
  for (const source of ['$(constructor)', '$(__proto__)', '$(type)', '$(this)'])
    expect(badTemplate(source)).toBeDefined()
})

test.each(['$(headers.none[1])', '$("a" .. headers.none)', '$("a" .. headers["X-Foo"])'])(
  '%s fails where Lua would',
  (source) => {
    const template = compileTemplate(source)
    expect(() => template(values)).toThrow('a template')
  },
)
