import { expect, test } from 'bun:test'
import type { ConfigurationError } from '../../src/gateway.ts'
import { gateway } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { ask } from './wire.ts'

/** A plugin that answers with its scope, so that an answer tells which entity ran. */
const terminating = (scope: string, where: string) =>
  `- { name: request-termination, ${where ? `${where}, ` : ''}config: { message: ${scope} } }\n`

const CONSUMERS = `
consumer_groups: [{ name: gold }, { name: basic }]
consumers:
- { username: alex, groups: [{ name: gold }, { name: basic }], keyauth_credentials: [{ key: alex }] }
- { username: bo, groups: [{ name: gold }], keyauth_credentials: [{ key: bo }] }
- { username: cy, keyauth_credentials: [{ key: cy }] }
`

test('of a plugin the entity with the narrowest scope runs: consumer, group, service and route, all', async () => {
  using upstream = await service(answering(ok()))
  const plugins =
    'plugins:\n- { name: key-auth, config: { key_names: [key] } }\n' +
    terminating('all', '') +
    terminating('gold', 'consumer_group: gold') +
    terminating('basic-route', 'consumer_group: basic, route: r') +
    terminating('bo-route', 'consumer: bo, route: r')
  await using running = await gateway(
    `services:
- url: http://127.0.0.1:${upstream.port}
  name: s
  routes: [{ name: r, paths: [/narrow] }, { name: w, paths: [/wide] }]
${CONSUMERS}${plugins}`,
  )
  const told = async (path: string, key: string) => {
    const answer = await ask(
      running.port,
      `GET ${path} HTTP/1.1\r\nHost: a.test\r\nkey: ${key}\r\n\r\n`,
    )
    return (JSON.parse(answer?.body.toString() ?? '{}') as { message: string }).message
  }
  expect(await told('/narrow', 'alex')).toBe('basic-route')
  expect(await told('/narrow', 'bo')).toBe('bo-route')
  expect(await told('/narrow', 'cy')).toBe('all')
  expect(await told('/wide', 'alex')).toBe('gold')
  expect(await told('/wide', 'bo')).toBe('gold')
  expect(await told('/wide', 'cy')).toBe('all')
})

test('an order that nobody can keep is a fault of the configuration', async () => {
  const yaml = `services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: [/] }] }]
plugins:
- { name: key-auth, ordering: { before: { access: [request-termination] }, after: { access: [request-termination] } } }
- { name: request-termination }
`
  const starting = gateway(yaml)
  const { faults } = await starting.then(
    () => ({ faults: [] }),
    (error: ConfigurationError) => error,
  )
  expect(faults).toEqual([
    {
      file: 'kong.yaml:4',
      path: 'ordering',
      message: 'the plugins key-auth, request-termination are to run before each other',
    },
  ])
})
