import { expect, test } from 'bun:test'
import { gateway, proxied } from '../gateway.ts'
import { answering, ok, service } from '../service.ts'
import { ask, field, statusOf } from '../wire.ts'

async function send(config: string, from = '') {
  using upstream = await service(answering(ok()))
  const settings = {
    trusted_ips: ['127.0.0.0/8'],
    real_ip_header: 'x-forwarded-for',
    real_ip_recursive: false,
  }
  await using running = await gateway(
    `${proxied(upstream.port)}plugins: [{ name: ip-restriction, config: ${config} }]`,
    { settings },
  )
  const fields = from === '' ? '' : `X-Forwarded-For: ${from}\r\n`
  const answer = await ask(running.port, `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`)
  return { answer, asked: upstream.requests.length, log: running.log }
}

// prettier-ignore
test.each([
  ['{ allow: [127.0.0.1] }',                             ''],
  ['{ deny: [192.0.2.0/24] }',                           ''],
  ['{ allow: [192.0.2.0/24] }',                          '192.0.2.9'],
  ['{ allow: [192.0.2.0/24], deny: [192.0.2.1] }',       '192.0.2.9'],
  ['{ allow: ["2001:db8::/32"] }',                       '2001:db8::7'],
  ['{ allow: [], deny: ["2001:db8::/32"] }',             '127.0.0.1'],
])('%s lets %j pass', async (config, from) => {
  const { answer, asked } = await send(config, from)
  expect([statusOf(answer), asked]).toEqual([200, 1])
})

// prettier-ignore
test.each([
  ['{ deny: [127.0.0.1] }',                                  '',            403, 'IP address not allowed: 127.0.0.1'],
  ['{ allow: [192.0.2.1] }',                                 '',            403, 'IP address not allowed: 127.0.0.1'],
  ['{ allow: [192.0.2.0/24], deny: [192.0.2.1] }',           '192.0.2.1',   403, 'IP address not allowed: 192.0.2.1'],
  ['{ deny: ["2001:db8::/32"] }',                            '2001:db8::7', 403, 'IP address not allowed: 2001:db8::7'],
  ['{ deny: [127.0.0.1], status: 418, message: Not you }',   '',            418, 'Not you'],
])('%s refuses %j', async (config, from, status, message) => {
  const { answer, asked, log } = await send(config, from)
  expect([statusOf(answer), asked]).toEqual([status, 0])
  expect(field(answer, 'content-type')).toBe('application/json; charset=utf-8')
  const id = field(answer, 'x-kong-request-id')
  expect(String(answer?.body)).toBe(`{\n  "message":"${message}",\n  "request_id":"${id}"\n}`)
  expect(log.filter((line) => line.includes('code=ip_not_allowed'))).toHaveLength(1)
})
