import { expect, test } from 'bun:test'
import { MemoryCache } from '../../src/cache/memory.ts'
import { signExplain } from '../../src/explain_key.ts'
import { FieldReader } from '../../src/http1/field_reader.ts'
import { parseRequestHead } from '../../src/http1/head.ts'
import { createLog } from '../../src/log.ts'
import { decodeTrace, encodeTrace, Trace } from '../../src/trace.ts'
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
