import { expect, test } from 'bun:test'
import type { Consumer } from '../../../../src/entities/index.ts'
import { HeaderList } from '../../../../src/headers.ts'
import type { Handler, ResponseContext } from '../../../../src/pdk.ts'
import { rateLimiting } from '../../../../src/plugins/rate-limiting/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { keyOwner, messageOf, type Sent, TestContext, testGateway } from '../context.ts'

const START = Date.parse('2026-03-31T23:59:50.500Z')

interface Client extends Sent {
  readonly consumer?: string
}

/** A plugin at a time that the test moves. */
function create(config: Record<string, unknown>, scope = {}) {
  const { value, faults } = check(rateLimiting.schema, config)
  if (faults) throw new Error(JSON.stringify(faults))
  const clock = { now: START }
  const gateway = testGateway({ now: () => clock.now, scope })
  const groups: Record<string, string[]> = { alex: ['gold', 'staff'], sam: ['gold'] }
  const consumerGroupsOf = ({ username = '' }: Consumer) => groups[username] ?? []
  Object.assign(gateway.consumers, { consumerGroupsOf })
  const handler = rateLimiting.create(value, gateway)
  return {
    clock,
    ask: (client: Client = {}) => ask(handler, client),
    again: (other: Record<string, unknown>) =>
      rateLimiting.create(check(rateLimiting.schema, other).value!, gateway),
  }
}

/** Sends a request through the plugin, and gives its status and the fields that the client gets. */
async function ask(handler: Handler, { consumer, ...sent }: Client) {
  const ctx = new TestContext(sent)
  if (consumer !== undefined) {
    const owner = keyOwner(consumer)
    ctx.authenticate(owner.consumer, owner.credential)
  }
  const exit = await handler.access?.(ctx)
  const headers = HeaderList.of(exit?.headers ?? [])
  handler.header_filter?.({ request: ctx.request, headers } as unknown as ResponseContext)
  return {
    status: exit?.status ?? 200,
    message: messageOf(exit),
    header: (name: string) => headers.get(name.toLowerCase()),
    names: headers.fields.map(({ name }) => name),
  }
}

test('the last request of a minute passes, and the next one is told when to come again', async () => {
  const { ask, clock } = create({ minute: 2 })
  expect((await ask()).header('RateLimit-Remaining')).toBe('1')
  expect((await ask()).header('RateLimit-Remaining')).toBe('0')
  const refused = await ask()
  expect(refused.status).toBe(429)
  expect(refused.message).toBe('API rate limit exceeded')
  expect(refused.header('X-RateLimit-Limit-Minute')).toBe('2')
  expect(refused.header('X-RateLimit-Remaining-Minute')).toBe('0')
  expect(refused.header('RateLimit-Reset')).toBe('10')
  expect(refused.header('Retry-After')).toBe('10')
  clock.now += 10_000
  expect((await ask()).status).toBe(200)
})

test('who may pass is told of each limit, and of the nearest one', async () => {
  const { ask } = create({ second: 5, minute: 5, hour: 10 })
  const { header, names } = await ask()
  expect(names).toEqual([
    'X-RateLimit-Limit-Second',
    'X-RateLimit-Remaining-Second',
    'X-RateLimit-Limit-Minute',
    'X-RateLimit-Remaining-Minute',
    'X-RateLimit-Limit-Hour',
    'X-RateLimit-Remaining-Hour',
    'RateLimit-Limit',
    'RateLimit-Remaining',
    'RateLimit-Reset',
  ])
  expect(header('X-RateLimit-Remaining-Hour')).toBe('9')
  // Of two that are equally near, the longer one.
  expect(header('RateLimit-Limit')).toBe('5')
  expect(header('RateLimit-Reset')).toBe('10')
})

test('a refused request is not counted where it would have passed', async () => {
  const { ask, clock } = create({ second: 1, minute: 3 })
  await ask()
  const refused = await ask()
  expect(refused.status).toBe(429)
  expect(refused.header('X-RateLimit-Remaining-Minute')).toBe('2')
  clock.now += 1_000
  expect((await ask()).header('X-RateLimit-Remaining-Minute')).toBe('1')
})

test('the status and the sentence of a refusal can be chosen, and the headers left out', async () => {
  const { ask } = create({
    minute: 1,
    error_code: 403,
    error_message: 'enough',
    hide_client_headers: true,
  })
  expect((await ask()).names).toEqual([])
  const refused = await ask()
  expect([refused.status, refused.message]).toEqual([403, 'enough'])
  expect(refused.names).toEqual(['Content-Type'])
})

test('on the last day of a month of 31, the month ends in a second, as in Kong', async () => {
  const { ask } = create({ month: 10 })
  expect((await ask()).header('RateLimit-Reset')).toBe('1')
})

test('consumers are counted apart, and who is none by the address', async () => {
  const { ask } = create({ minute: 1 })
  expect((await ask({ consumer: 'alex' })).status).toBe(200)
  expect((await ask({ consumer: 'sam' })).status).toBe(200)
  expect((await ask()).status).toBe(200)
  expect((await ask({ consumer: 'alex' })).status).toBe(429)
  expect((await ask()).status).toBe(429)
})

test('values of a header are counted apart, in any spelling of its name', async () => {
  const { ask } = create({ minute: 1, limit_by: 'header', header_name: 'X-Team' })
  expect((await ask({ headers: [['x-team', 'a']] })).status).toBe(200)
  expect((await ask({ headers: [['X_Team', 'a']] })).status).toBe(429)
  expect((await ask({ headers: [['x-team', 'b']] })).status).toBe(200)
  expect((await ask()).status).toBe(200)
})

test('requests to one path are counted together', async () => {
  const { ask } = create({ minute: 1, limit_by: 'path', path: '/' })
  expect((await ask({ consumer: 'alex' })).status).toBe(200)
  expect((await ask({ consumer: 'sam' })).status).toBe(429)
})

// prettier-ignore
test.each([
  ['ip',         429],
  ['service',    429],
  ['credential', 200],
  ['consumer',   200],
])('by %s, another consumer from the same address gets %i', async (limit_by, status) => {
  const { ask } = create({ minute: 1, limit_by })
  await ask({ consumer: 'alex' })
  expect((await ask({ consumer: 'sam' })).status).toBe(status)
})

test('the consumers of a group are counted together', async () => {
  const { ask } = create({ minute: 1, limit_by: 'consumer-group' })
  await ask({ consumer: 'alex' })
  expect((await ask({ consumer: 'sam' })).status).toBe(429)
  expect((await ask({ consumer: 'somebody' })).status).toBe(200)
})

test('counts are kept over reloads, where the plugin is for the same', async () => {
  const first = create({ minute: 1 }, { route: { id: 'a' } })
  await first.ask()
  const reloaded = first.again({ minute: 2 })
  expect((await ask(reloaded, {})).header('RateLimit-Remaining')).toBe('0')
})
