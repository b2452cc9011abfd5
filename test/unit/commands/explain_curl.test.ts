import { describe, expect, test } from 'bun:test'
import { readCurl, splitWords } from '../../../src/commands/explain_curl.ts'
import { Usage } from '../../../src/commands/usage.ts'

const env = { TOKEN: 't 1', EMPTY: '' }

describe('a line is taken apart as a shell does', () => {
  // prettier-ignore
  test.each([
    [`curl a b`,                         ['curl', 'a', 'b']],
    [`curl 'a b' "c d"`,                 ['curl', 'a b', 'c d']],
    [`curl a' 'b"'"c`,                   ['curl', `a b'c`]],
    ['curl \\\n  -v \\\r\n a',           ['curl', '-v', 'a']],
    [`curl -H "A: $TOKEN" '$TOKEN'`,     ['curl', '-H', 'A: t 1', '$TOKEN']],
    ['curl ${TOKEN}x "${EMPTY}"',        ['curl', 't 1x', '']],
    [`curl $'a\\n\\x41\\''`,             ['curl', `a\nA'`]],
    [`curl "a\\"b\\\\c\\d"`,             ['curl', 'a"b\\c\\d']],
    [`curl a\\ b ''`,                    ['curl', 'a b', '']],
    [`curl http://a/?x=1&y=2`,           ['curl', 'http://a/?x=1&y=2']],
    [`curl a | jq .`,                    ['curl', 'a']],
    [`curl a 2>/dev/null`,               ['curl', 'a', '2']],
    [`curl a && echo`,                   ['curl', 'a']],
    [`curl '$' 5$`,                      ['curl', '$', '5$']],
  ])('%j', (line, words) => {
    expect(splitWords(line, env)).toEqual(words)
  })

  test.each([
    'curl "a',
    "curl 'a",
    "curl $'a",
    'curl $(x)',
    'curl `x`',
    'curl "`x`"',
    'curl $NONE',
  ])('%j is refused', (line) => {
    expect(() => splitWords(line, env)).toThrow(Usage)
  })
})

/** The head as it would be sent, without what curl always adds. */
function head(words: readonly string[]): string[] {
  const { method, target, headers, body } = readCurl(words)
  const fields = headers
    .filter(([name, value]) => !/^(?:User-Agent: curl|Accept: \*\/\*)$/.test(`${name}: ${value}`))
    .map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${target}`, ...fields, ...(body ? [body.toString()] : [])]
}

const FORM = 'Content-Type: application/x-www-form-urlencoded'
const JSON_TYPE = 'Content-Type: application/json'

// prettier-ignore
test.each([
  [['http://a.test'],                                  ['GET /', 'Host: a.test']],
  [['a.test:81/x?y#z'],                                ['GET /x?y', 'Host: a.test:81']],
  [['-X', 'PUT', 'http://a.test/x'],                   ['PUT /x', 'Host: a.test']],
  [['-XDELETE', '-sSk', 'http://a.test/'],             ['DELETE /', 'Host: a.test']],
  [['-I', 'http://a.test/'],                           ['HEAD /', 'Host: a.test']],
  [['-H', 'A: b', '-H', 'A: c', 'http://a.test/'],     ['GET /', 'A: b', 'A: c', 'Host: a.test']],
  [['-H', 'Host: b.test', 'http://a.test/'],           ['GET /', 'Host: b.test']],
  [['-H', 'User-Agent:', '-H', 'X;', 'http://a.test/'], ['GET /', 'X: ', 'Host: a.test']],
  [['-u', 'alex:doe', 'http://a.test/'],               ['GET /', 'Authorization: Basic YWxleDpkb2U=', 'Host: a.test']],
  [['http://alex:doe@a.test/'],                        ['GET /', 'Authorization: Basic YWxleDpkb2U=', 'Host: a.test']],
  [['--oauth2-bearer', 't', 'http://a.test/'],         ['GET /', 'Authorization: Bearer t', 'Host: a.test']],
  [['-d', 'a=1', '-d', 'b=2', 'http://a.test/'],       ['POST /', FORM, 'Host: a.test', 'a=1&b=2']],
  [['--data-raw', '@a', 'http://a.test/'],             ['POST /', FORM, 'Host: a.test', '@a']],
  [['-G', '-d', 'a=1', 'http://a.test/x?b'],           ['GET /x?b&a=1', 'Host: a.test']],
  [['--data-urlencode', 'a=b c&', 'http://a.test/'],   ['POST /', FORM, 'Host: a.test', 'a=b%20c%26']],
  [['--data-urlencode', 'b c', 'http://a.test/'],      ['POST /', FORM, 'Host: a.test', 'b%20c']],
  [['--json', '{}', 'http://a.test/'],                 ['POST /', JSON_TYPE, 'Accept: application/json', 'Host: a.test', '{}']],
  [['--url-query', 'a=ö', 'http://a.test/'],           ['GET /?a=%C3%B6', 'Host: a.test']],
  [['-b', 'a=1; b=2', 'http://a.test/'],               ['GET /', 'Cookie: a=1; b=2', 'Host: a.test']],
  [['-A', 'me', '-e', 'b', 'http://a.test/'],          ['GET /', 'User-Agent: me', 'Referer: b', 'Host: a.test']],
  [['--resolve', 'a.test:80:127.0.0.1', '--max-time', '3', 'http://a.test/'], ['GET /', 'Host: a.test']],
  [['--url', 'http://a.test//x/%2e%2e/y z'],           ['GET //x/%2e%2e/y%20z', 'Host: a.test']],
  [['--request-target', '*', '-X', 'OPTIONS', 'http://a.test'], ['OPTIONS *', 'Host: a.test']],
])('%j', (words, sent) => {
  expect(head(words)).toEqual(sent)
})

// prettier-ignore
test.each([
  [[]], [['-H']], [['-H', 'no colon', 'http://a']], [['-F', 'a=b', 'http://a']], [['-K', 'f', 'http://a']],
  [['-b', 'jar.txt', 'http://a']], [['ftp://a']], [['http://a', 'http://b']], [['-d', '@/none', 'http://a']],
])('%j is refused', (words) => {
  expect(() => readCurl(words)).toThrow(Usage)
})

test.each(['--no-such-option', '-Z'])('%s is an error with its name', (option) => {
  expect(() => readCurl([option, 'http://a.test/'])).toThrow(option)
})
