import { expect, test } from 'bun:test'
import { HeaderField, HeaderList } from '../../../src/headers.ts'
import { AccessLog, secretArguments } from '../../../src/proxy/access_log.ts'
import type { ProxiedRequest } from '../../../src/proxy/context.ts'

/** The line for one request, without its time. */
function lineOf(
  target: string,
  fields: readonly (readonly [string, string])[] = [],
  secrets: readonly string[] = [],
): string {
  let text = ''
  const log = new AccessLog((written) => void (text += written))
  const request = {
    ip: '192.0.2.1',
    id: 'abc',
    method: 'GET',
    headers: new HeaderList(fields.map(([name, value]) => new HeaderField(name, value))),
    exchange: { head: { target }, httpVersion: '1.1' },
  } as unknown as ProxiedRequest
  log.add(request, 200, 12, secretArguments(secrets))
  log.flush()
  expect(text).toMatch(/ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] /)
  return text.replace(/\[\d\d\/.*?\] /, '')
}

test('a line has the form of Kong', () => {
  expect(
    lineOf('/a?b=c', [
      ['Referer', 'http://b.test/'],
      ['User-Agent', 'curl/8'],
    ]),
  ).toBe(
    '192.0.2.1 - - "GET /a?b=c HTTP/1.1" 200 12 "http://b.test/" "curl/8" kong_request_id: "abc"\n',
  )
  expect(lineOf('/')).toContain('200 12 "-" "-" kong_request_id')
})

// prettier-ignore
test.each([
  [`Basic ${btoa('alex:s3cret')}`,                   'alex'],
  [`bASIC   ${btoa('alex:a:b')}`,                    'alex'],
  [`Basic ${btoa('alex:').replaceAll('=', '')}`,     'alex'],
  [`Basic ${btoa('a "b\\c"\r\n\x1b[1m\xe9:s')}`,     'a \\x22b\\x5Cc\\x22\\x0D\\x0A\\x1B[1m\\xE9'],
  [`Basic ${btoa(':s3cret')}`,                       ''],
  [`Basic ${btoa('alex')}`,                          '-'],
  [`Basic ${btoa('alex:s').slice(0, -1)}!`,          '-'],
  ['Basic YWxle',                                    '-'],
  ['Basic ',                                         '-'],
  [`Basic\t${btoa('alex:s')}`,                       '-'],
  [`Bearer ${btoa('alex:s')}`,                       '-'],
  [`Basic ${btoa('eyJhbGciOiJub25lIn0.e30.:s')}`,    '[redacted]'],
])('of %j the user of a line is %s', (authorization, user) => {
  const line = lineOf('/', [['Authorization', authorization]])
  expect(line).toStartWith(`192.0.2.1 - ${user} "GET / `)
  expect(line).not.toContain('s3cret')
})

test('in JSON a line is an object, and holds no secret either', () => {
  let text = ''
  const log = new AccessLog((written) => void (text += written), 'json')
  const request = {
    ip: '192.0.2.1',
    id: 'abc',
    method: 'GET',
    headers: HeaderList.of([
      ['User-Agent', '"curl"\n8'],
      ['Authorization', `Basic ${btoa('"al\n:s3cret')}`],
    ]),
    exchange: {
      head: { target: '/a?token=s3cret' },
      httpVersion: '1.1',
      startedAt: performance.now() - 12,
    },
  } as unknown as ProxiedRequest
  log.add(request, 401, 12, secretArguments([]))
  log.flush()
  expect(text.indexOf('\n')).toBe(text.length - 1)
  const { time, request_time, ...line } = JSON.parse(text) as Record<string, unknown>
  expect(line).toEqual({
    remote_addr: '192.0.2.1',
    remote_user: '"al\n',
    request_method: 'GET',
    request_uri: '/a?token=[redacted]',
    server_protocol: 'HTTP/1.1',
    status: 401,
    body_bytes_sent: 12,
    http_user_agent: '"curl" 8',
    kong_request_id: 'abc',
  })
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(request_time).toBeWithin(0.012, 1)
})

test('nothing from outside can end the line, or a field of it', () => {
  const line = lineOf('/', [['User-Agent', '" 200\n\x1b[31m\\\xe9\x7f']])
  expect(line).toContain('"\\x22 200\\x0A\\x1B[31m\\x5C\\xE9\\x7F"')
  expect(line.indexOf('\n')).toBe(line.length - 1)
})

// prettier-ignore
test.each([
  ['/?access_token=eyJ.a.b',                '/?access_token=[redacted]'],
  ['/cb?code=s3cret&state=1&x=y',           '/cb?code=[redacted]&state=1&x=y'],
  ['/?a=1&REFRESH_TOKEN=s3cret',            '/?a=1&REFRESH_TOKEN=[redacted]'],
  ['/?%61ccess%5Ftoken=s3cret',             '/?%61ccess%5Ftoken=[redacted]'],
  ['/?apikey=s3cret',                       '/?apikey=[redacted]'],
  ['/?client_secret=s3cret&password=x',     '/?client_secret=[redacted]&password=[redacted]'],
  ['/?zipcode=8000&tokens=2&token',         '/?zipcode=8000&tokens=2&token'],
])('%s is logged as %s', (target, logged) => {
  expect(lineOf(target)).toContain(`"GET ${logged} HTTP/1.1"`)
  expect(lineOf('/', [['Referer', `http://a.test${target}`]])).toContain(`"http://a.test${logged}"`)
})

test('the arguments that plugins name are left out as well, however they are spelled', () => {
  const names = ['X-Api-Key', 'schlüssel']
  expect(lineOf('/?x-api-key=s3cret&a=1&schl%C3%BCssel=s3cret', [], names)).toContain(
    '/?x-api-key=[redacted]&a=1&schl%C3%BCssel=[redacted] HTTP',
  )
})

// prettier-ignore
test.each([
  ['/?a=eyJhbGciOiJub25lIn0.e30.&b=1',      '/?a=[redacted]&b=1'],
  ['/eyJhbGciOiJub25lIn0.e30.c2ln/x',       '/[redacted]/x'],
  ['/?a=eyJ.eyJhbGciOiJub25lIn0.e30.c2ln',  '/?a=[redacted]'],
  ['/eyJust/a/name',                        '/eyJust/a/name'],
  ['/?next=http://b.test/?token=s3cret',    '/?next=http://b.test/?token=[redacted]'],
  ['/?token==s3c=ret?x&b=1',                '/?token=[redacted]&b=1'],
  ['/?a=token=1&=&b',                       '/?a=token=1&=&b'],
])('a token in %s is logged as %s', (target, logged) => {
  expect(lineOf(target)).toContain(`"GET ${logged} HTTP/1.1"`)
})

// prettier-ignore
test.each([
  ['marks',      `=${'?'.repeat(30_000)}`],
  ['marks, =',   '?='.repeat(15_000)],
  ['tokens',     'eyJ'.repeat(10_000)],
  ['tokens, .',  'eyJa/.'.repeat(5_000)],
  ['percents',   `?${'%'.repeat(30_000)}=`],
])('what is long and made of %s takes no longer than its length', (_, text) => {
  const begin = performance.now()
  lineOf(`/p${text}`, [['Referer', text], ['User-Agent', text]])
  expect(performance.now() - begin).toBeLessThan(60)
})

test('lines are gathered, and none is lost', async () => {
  const written: string[] = []
  const log = new AccessLog((text) => void written.push(text))
  const exchange = { head: { target: '/' }, httpVersion: '1.0' }
  const request = { ip: '::1', id: 'x', method: 'GET', headers: new HeaderList(), exchange }
  const secrets = secretArguments([])
  for (let i = 0; i < 1000; i++) log.add(request as unknown as ProxiedRequest, 200, i, secrets)
  expect(written.length).toBeWithin(1, 10)
  const limit = performance.now() + 1_000
  while (written.join('').split('\n').length < 1001 && performance.now() < limit) await Bun.sleep(5)
  expect(written.join('').split('\n')).toHaveLength(1001)
})
