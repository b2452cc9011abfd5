import { expect, test } from 'bun:test'
import { gateway } from './gateway.ts'
import { ask } from './wire.ts'

test('errors are worded by the templates of the node, whoever raises them', async () => {
  const error_templates = { json: '{"fehler":"für Sie: %s"}', plain: 'ä: %s\n' }
  await using running = await gateway(
    'routes: [{ name: guarded, paths: [/guarded], plugins: [{ name: key-auth }] }]',
    { settings: { error_templates } },
  )
  const told = async (request: string) => {
    const answer = await ask(running.port, request)
    expect(answer?.isWhole).toBe(true)
    return answer?.body.toString()
  }
  const close = 'Host: a.test\r\nConnection: close\r\n\r\n'
  expect(await told(`GET / HTTP/1.1\r\n${close}`)).toBe(
    '{"fehler":"für Sie: no Route matched with those values"}',
  )
  expect(await told(`GET /guarded HTTP/1.1\r\n${close}`)).toBe(
    '{"fehler":"für Sie: No API key found in request"}',
  )
  expect(await told(`TRACE / HTTP/1.1\r\n${close}`)).toBe('ä: Method not allowed\n')
  expect(await told('GET / HTTP/1.1\r\nHost : a.test\r\n\r\n')).toBe('ä: Bad request\n')
})
