import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import { AccessLog } from '../../../src/proxy/access_log.ts'
import type { ProxiedRequest } from '../../../src/proxy/context.ts'

/** The line for one request, without its time. */
function lineOf(target: string, fields: readonly (readonly [string, string])[] = []): string {
  let text = ''
  const log = new AccessLog((written) => void (text += written))
  const request = {
    ip: '192.0.2.1',
    id: 'abc',
    method: 'GET',
    headers: new HeaderList(
      fields.flat(),
      fields.map(([name]) => name.toLowerCase()),
    ),
    exchange: { head: { target, minor: 1 } },
  } as unknown as ProxiedRequest
  log.add(request, 200, 12)
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

test('lines are gathered, and none is lost', async () => {
  const written: string[] = []
  const log = new AccessLog((text) => void written.push(text))
  const exchange = { head: { target: '/', minor: 0 } }
  const request = { ip: '::1', id: 'x', method: 'GET', headers: new HeaderList(), exchange }
  for (let i = 0; i < 1000; i++) log.add(request as unknown as ProxiedRequest, 200, i)
  expect(written.length).toBeWithin(1, 10)
  const limit = performance.now() + 1_000
  while (written.join('').split('\n').length < 1001 && performance.now() < limit) await Bun.sleep(5)
  expect(written.join('').split('\n')).toHaveLength(1001)
})
