import { expect, test } from 'bun:test'
import { correlationId } from '../../../../src/plugins/correlation-id/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { TestContext, testGateway } from '../context.ts'

function create(config: Record<string, unknown>) {
  const checked = check(correlationId.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  return correlationId.create(checked.value, testGateway({ now: () => 1_700_000_000_250 }))
}

function idsOf(config: Record<string, unknown>, contexts: readonly TestContext[]) {
  const handler = create(config)
  return contexts.map((ctx) => {
    handler.access?.(ctx)
    return ctx.upstream.headers.get('kong-request-id') ?? ''
  })
}

test('uuid draws another one for each request', () => {
  const ids = idsOf({ generator: 'uuid' }, [new TestContext(), new TestContext()])
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(2)
})

test('uuid#counter counts on behind one UUID', () => {
  const ids = idsOf({}, [new TestContext(), new TestContext(), new TestContext()])
  const [uuid] = ids[0]!.split('#')
  expect(uuid).toHaveLength(36)
  expect(ids).toEqual([`${uuid}#1`, `${uuid}#2`, `${uuid}#3`])
})

test('tracker tells which request of which connection it was, and when', () => {
  const first = new TestContext()
  const again = new TestContext()
  const other = new TestContext()
  Object.assign(again.request, { connection: first.request.connection })
  const ids = idsOf({ generator: 'tracker' }, [first, again, other])
  expect(ids.map((id) => id.split('-').slice(-5))).toEqual([
    ['8000', String(process.pid), '1', '1', '1700000000.250'],
    ['8000', String(process.pid), '1', '2', '1700000000.250'],
    ['8000', String(process.pid), '2', '1', '1700000000.250'],
  ])
})

// prettier-ignore
test.each([
  [{ generator: null },            'required field missing'],
  [{ generator: 'counter' },       'expected one of: tracker, uuid, uuid#counter'],
  [{ header_name: 'X Request' },   "'X Request' is not a valid header"],
  [{ header_name: 'X\r\nEvil: 1' }, "'X\r\nEvil: 1' is not a valid header"],
])('%j is refused', (config, message) => {
  expect(check(correlationId.schema, config).faults?.map((fault) => fault.message)).toEqual([message])
})
