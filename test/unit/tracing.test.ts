import { expect, test } from 'bun:test'
import { MemoryCache } from '../../src/cache/memory.ts'
import { signExplain } from '../../src/explain_key.ts'
import { FieldReader } from '../../src/http1/field_reader.ts'
import { parseRequestHead } from '../../src/http1/head.ts'
import { createLog } from '../../src/log.ts'
import type { OutboundRequest } from '../../src/pdk.ts'
import { Trace } from '../../src/trace.ts'
import { decodeTrace, encodeTrace } from '../../src/trace_record.ts'
import { Tracing } from '../../src/tracing.ts'

const KEY = 'k'.repeat(32)
const headOf = (...fields: string[]) =>
  parseRequestHead(
    ['GET /a HTTP/1.1', 'Host: a.test', ...fields, ''].join('\r\n'),
    new FieldReader(),
  )

test('a call that two requests need is told by the one that makes it; the other waits', async () => {
  const tracing = new Tracing(
    {},
    createLog('debug', () => {}),
  )
  const cache = new MemoryCache<string>(1e6, Date.now, () => tracing.current?.waits('tokens'))
  const gate = Promise.withResolvers<void>()
  const fetch = tracing.watch(async () => {
    await gate.promise
    return Response.json({ access_token: 'a secret of the provider' })
  })
  const ask = (trace?: Trace) => {
    let done: Promise<unknown> = Promise.resolve()
    const go = () => {
      done = cache.once('k', async () =>
        (await fetch('https://op.test/token', { timeout: 1 })).text(),
      )
    }
    if (trace) tracing.run(trace, go)
    else go()
    return done
  }
  const [first, second] = [new Trace(), new Trace()]
  const all = [ask(first), ask(second), ask()]
  gate.resolve()
  await Promise.all(all)
  expect(first.record.steps.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^GET https:\/\/op\.test\/token → 200 \(\d+ ms\)$/),
  ])
  expect(JSON.stringify(first.record)).not.toContain('a secret of')
  expect(second.record.steps.map(({ text }) => text)).toEqual([
    'waits for a call that another request made first (tokens)',
  ])
})

test('a call that fails is told too, and fails as before', async () => {
  const tracing = new Tracing(
    {},
    createLog('debug', () => {}),
  )
  const fetch = tracing.watch(() => Promise.reject(new Error('cannot connect')))
  const trace = new Trace()
  let failed: Promise<unknown> = Promise.resolve()
  tracing.run(trace, () => void (failed = fetch('https://op.test/', { timeout: 1 })))
  expect(failed).rejects.toThrow('cannot connect')
  await failed.catch(() => {})
  expect(trace.record.steps[0]).toMatchObject({ details: ['answered cannot connect'] })
})

/** What is told of one call. */
async function told(request: Partial<OutboundRequest>, answer: Response) {
  const tracing = new Tracing(
    {},
    createLog('debug', () => {}),
  )
  const trace = new Trace()
  const fetch = tracing.watch(async () => answer)
  const { promise, resolve } = Promise.withResolvers<Response>()
  const url = 'https://op.test/a'
  tracing.run(trace, () => resolve(fetch(url, { timeout: 1, method: 'POST', ...request })))
  const body = await (await promise).bytes()
  return { body, details: trace.record.steps.flatMap(({ details = [] }) => details) }
}

// prettier-ignore
test.each([
  ['application/x-www-form-urlencoded', 'client_secret=horse-1&a=b', 'sent client_secret=[masked]&a=b'],
  ['application/json; charset=utf-8',   '{"client_secret":"horse-1","a":"b"}', 'sent {"client_secret":"[masked]","a":"b"}'],
  ['application/scim+json',             '{"pin":123456}', 'sent {"pin":"[masked]"}'],
  ['application/json',                  '"horse-1"', 'sent 9 bytes of application/json'],
  ['application/json',                  'horse-1', 'sent 7 bytes of application/json'],
  ['text/plain',                        '{"client_secret":"horse-1"}', 'sent 27 bytes of text/plain'],
  ['',                                  'client_secret=hörse', 'sent 20 bytes of no type'],
])('a body of %j, %s, is told without its secrets', async (type, body, sent) => {
  const headers = new Headers(type === '' ? [] : [['Content-Type', type]])
  expect((await told({ headers, body }, new Response('{}'))).details).toEqual([sent, 'answered {}'])
})

test('a call does not fail because it cannot be told', async () => {
  // prettier-ignore
  for (const body of ['{"keys":[{"kid":{"toString":1}},null,1,{"kid":"a"}]}', '{"keys":null}', '[]', 'null'])
    expect(Buffer.from((await told({}, new Response(body))).body).toString()).toBe(body)
  const keys = Response.json({ keys: [{ kid: { toString: 1 } }, null, 1, { kid: 'a' }] })
  expect((await told({}, keys)).details).toEqual([
    'answered 4 keys: without kid, without kid, without kid, a',
  ])
  const broken = Object.assign(new Response('{"a":1}'), {
    clone: () => {
      throw new Error('there is no other')
    },
  })
  expect(Buffer.from((await told({}, broken)).body).toString()).toBe('{"a":1}')
})

test('of a long answer only its length is told', async () => {
  const body = JSON.stringify({ a: 'x'.repeat(300_000) })
  const type = { headers: { 'Content-Type': 'application/json' } }
  expect((await told({}, new Response(body, type))).details).toEqual([
    `answered ${body.length} bytes of application/json`,
  ])
})

test('nobody is traced unless the log or a signature asks for it', () => {
  const log = createLog('debug', () => {})
  const off = new Tracing({}, log)
  expect(off.isOn).toBe(false)
  const signed = () =>
    `Gatehouse-Explain: ${signExplain(KEY, 'rehearse', { method: 'GET', target: '/a', host: 'a.test' }, Date.now())}`
  const on = new Tracing({ explain_key: KEY }, log)
  expect(on.begin(headOf(), new Set())).toBeUndefined()
  expect(on.begin(headOf(signed()), new Set())).toMatchObject({ isRehearsal: true, isShown: true })
  // prettier-ignore
  for (const fields of [['Gatehouse-Explain: x'], ['gatehouse_explain: x'], [signed(), signed()], [signed(), 'Gatehouse_Explain: x', 'X: y']]) {
    const head = headOf(...fields)
    on.begin(head, new Set())
    expect(head.headers.fields.filter(({ spelling }) => spelling === 'gatehouse-explain')).toEqual([])
  }
  expect(new Tracing({ traces_to_log: true }, log).begin(headOf(), new Set())).toMatchObject({
    isShown: false,
  })
})

test('a long trace is shortened to what a header holds, and keeps its end', () => {
  const trace = new Trace()
  for (let i = 0; i < 150; i++)
    trace.add({ step: 'plugin', text: `plugin ${i} ${'x'.repeat(90)}`, details: ['d'.repeat(290)] })
  trace.refused({ status: 401, code: 'no_credentials', cause: 'nothing was sent' })
  const encoded = encodeTrace(trace.record)
  expect(encoded.length).toBeLessThanOrEqual(8_000)
  const record = decodeTrace(encoded)!
  expect(record).toMatchObject({ shortened: true, passes: false, status: 401 })
  expect(record.steps.at(-1)?.step).toBe('refused')
  expect(record.conclusion).toBe(
    'REFUSED with 401 by the gateway, no_credentials: nothing was sent.',
  )
})

test('what is no trace is read as none', () => {
  for (const value of ['', '%', 'e30', Buffer.from('null').toString('base64url'), 'eyJ'])
    expect(decodeTrace(value)).toBeUndefined()
})
