import { expect, spyOn, test } from 'bun:test'
import type { Plugin } from '../../src/pdk.ts'
import { plugins } from '../../src/plugins/index.ts'
import { record } from '../../src/schema/field.ts'
import { gateway, proxied } from './gateway.ts'
import { answering, ok, service } from './service.ts'
import { eventually } from './wire.ts'

/** A plugin of which nobody knows that it fails before all others are made. */
const failing: Plugin = {
  name: 'failing',
  priority: 1,
  schema: record('Fails.', {}, { required: true }),
  create: () => ({
    get clientCertificate(): undefined {
      throw new Error('fails late')
    },
  }),
}

const withFailing = {
  plugins: new Map<string, Plugin>([...plugins, ['failing', failing]]),
  listen: [{ host: '127.0.0.1', port: 0, ssl: true }],
}

const upstream = (name: string) =>
  `upstreams: [{ name: ${name}, targets: [{ target: "127.0.0.1:9" }] }]\n`

test('a configuration that fails when TLS is prepared leaves the balancers as they were', async () => {
  await using running = await gateway(upstream('old.test'), withFailing)
  const names = () => running.running.upstreamHealth.map(({ name }) => name)
  const bad = `${upstream('new.test')}plugins: [{ name: failing }]\n`
  expect(() => running.reload(bad)).toThrow('fails late')
  expect(names()).toEqual(['old.test'])
  running.reload(upstream('new.test'))
  expect(names()).toEqual(['new.test'])
})

test('a configuration that fails leaves the queue of http-log with the endpoint that it had', async () => {
  using target = await service(answering(ok()))
  using good = await service(answering(ok()))
  using refused = await service(answering(ok()))
  const yaml = (port: number, more = '') =>
    `${proxied(target.port)}plugins:\n- { name: http-log, id: ${ID}, config: { http_endpoint: "http://127.0.0.1:${port}/" } }\n${more}`
  await using running = await gateway(yaml(good.port), {
    ...withFailing,
    listen: [{ host: '127.0.0.1', port: 0 }, ...withFailing.listen],
  })
  expect(() => running.reload(yaml(refused.port, '- { name: failing }\n'))).toThrow('fails late')
  await fetch(`http://127.0.0.1:${running.port}/one`)
  await eventually(() => good.requests.length + refused.requests.length > 0)
  expect(refused.requests).toEqual([])
  running.reload(yaml(refused.port))
  await fetch(`http://127.0.0.1:${running.port}/two`)
  await eventually(() => refused.requests.length > 0)
  expect(good.requests.length).toBe(1)
})

/** A plugin that keeps something over reloads, which says when it ends. */
function keeping(ended: string[]): { plugins: ReadonlyMap<string, Plugin> } {
  const plugin: Plugin = {
    name: 'keeping',
    priority: 1,
    schema: record('Keeps.', {}, { required: true }),
    create(_, { keep }) {
      keep('connection', () => ({ [Symbol.dispose]: () => void ended.push('connection') }))
      return {}
    },
  }
  return { plugins: new Map([['keeping', plugin]]) }
}

test('what no plugin needs after a reload is let go a minute later', async () => {
  const ended: string[] = []
  const yaml = 'plugins: [{ name: keeping }]\n'
  await using running = await gateway(yaml, keeping(ended))
  using timers = spyOn(globalThis, 'setTimeout')
  const sweeps = () => timers.mock.calls.filter(([, delay]) => delay === 60_000)
  running.reload(yaml)
  expect(sweeps()).toEqual([])
  running.reload('')
  expect(ended).toEqual([])
  const [sweep] = sweeps()
  ;(sweep![0] as () => void)()
  await eventually(() => ended.length > 0)
})

test('a gateway that cannot listen lets go of what its plugins kept', async () => {
  const ended: string[] = []
  await using first = await gateway('')
  const listen = [{ host: '127.0.0.1', port: first.port }]
  const second = gateway('plugins: [{ name: keeping }]\n', { ...keeping(ended), listen })
  await expect(second).rejects.toThrow()
  expect(ended).toEqual(['connection'])
})

const ID = '11111111-2222-3333-4444-555555555555'
