import { describe, expect, test } from 'bun:test'
import { gateway, proxied } from '../gateway.ts'
import { answering, service } from '../service.ts'
import { ask, eventually, field, type Message, statusOf } from '../wire.ts'

const JSON_TYPE = 'Content-Type: application/json; charset=utf-8\r\n'

/** What a client is answered where a service answers with these fields and that body. */
async function send(config: object, fields: string, body = '', method = 'GET') {
  const bytes = Buffer.from(body)
  const head = `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${bytes.length}\r\n\r\n`
  using upstream = await service(
    answering(() =>
      Buffer.concat([Buffer.from(head), method === 'HEAD' ? Buffer.alloc(0) : bytes]),
    ),
  )
  const plugin = JSON.stringify({ name: 'response-transformer', config })
  await using running = await gateway(`${proxied(upstream.port)}plugins: [${plugin}]`)
  const answer = await ask(running.port, `${method} / HTTP/1.1\r\nHost: h\r\n\r\n`)
  return { answer, log: running.log }
}

/** The fields that a test has a say in. */
function ours(answer: Message | undefined): string[] {
  return (answer?.fields ?? [])
    .filter(([name]) => /^(?:x-(?!kong)|set-cookie)/i.test(name))
    .map(([name, value]) => `${name}: ${value}`)
}

describe('headers', () => {
  // prettier-ignore
  test.each<[string, object, string, string[]]>([
    ['are removed',                       { remove: { headers: ['X-Gone', 'x_too'] } },         'x-gone: 1\r\nX-GONE: 2\r\nX-Too: 3\r\nX-Kept: 4\r\n', ['X-Kept: 4']],
    ['are renamed',                       { rename: { headers: ['x-old:X-New'] } },             'X-Old: 1\r\nX-Old: 2\r\n', ['X-New: 1', 'X-New: 2']],
    ['are renamed over others',           { rename: { headers: ['x-old:X-New'] } },             'X-New: 0\r\nX-Old: 1\r\n', ['X-New: 1']],
    ['are not renamed from nothing',      { rename: { headers: ['x-old:X-New'] } },             'X-New: 0\r\n',             ['X-New: 0']],
    ['are replaced',                      { replace: { headers: ['X-A:new:1', 'X-B:new'] } },   'x-a: 1\r\nx-a: 2\r\n',     ['X-A: new:1']],
    ['are added',                         { add: { headers: ['X-A:new', 'X_B:new'] } },         'x-a: 1\r\n',               ['x-a: 1', 'X-B: new']],
    ['are appended',                      { append: { headers: ['Set-Cookie:b=2', 'X-A:1'] } }, 'Set-Cookie: a=1\r\n',      ['Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-A: 1']],
    ['without a value change nothing',    { add: { headers: ['x-a:'] }, replace: { headers: ['x-b:'] } }, 'x-b: 1\r\n',     ['x-b: 1']],
    ['that were removed are not added',   { remove: { headers: ['x-a'] }, add: { headers: ['x-a:1'] } }, 'x-a: 0\r\n',      []],
  ])('%s', async (_, config, fields, expected) => {
    const { answer } = await send(config, fields, 'text')
    expect(ours(answer)).toEqual(expected)
    expect(String(answer?.body)).toBe('text')
    expect(field(answer, 'content-length')).toBe('4')
  })

  test('that belong to the connection stay as they are', async () => {
    const { answer } = await send(
      {
        replace: { headers: ['Content-Length:1'] },
        add: { headers: ['Transfer-Encoding:chunked', 'Connection:close', 'X-A:1'] },
        rename: { headers: ['x-b:content_length'] },
      },
      'X-B: 9\r\n',
      'text',
    )
    expect(field(answer, 'connection')).toBe('keep-alive')
    expect([answer?.isWhole, String(answer?.body)]).toEqual([true, 'text'])
    expect(ours(answer)).toEqual(['X-B: 9', 'X-A: 1'])
  })
})

describe('JSON', () => {
  const all = {
    remove: { json: ['gone'] },
    rename: { json: ['old:new'] },
    replace: { json: ['there:r', 'none:r', 'off:on'] },
    add: { json: ['there:a', 'added:a:1'] },
    append: { json: ['added:2', 'list:3'] },
  }
  const typed = {
    json: ['n:-1', 'h:0x10', 'b:true', 'f:yes', 's:12', 'x:one', 'q:"v"', 'e:'],
    json_types: ['number', 'number', 'boolean', 'boolean', 'string', 'number'],
  }

  // prettier-ignore
  test.each<[string, object, string, string]>([
    ['is changed in order',          all,                            '{"gone":1,"old":false,"there":{},"off":false,"list":[1],"e":[],"d":1.10}', '{"there":"r","off":false,"list":[1,"3"],"e":[],"d":1.10,"new":false,"added":["a:1","2"]}'],
    ['is removed to nothing',        { remove: { json: ['a', 'b'] } }, '{"a":1,"b":2}',             '{}'],
    ['gets values of types',         { add: typed },                 '{}',                          '{"n":-1,"h":16,"b":true,"f":false,"s":"12","q":"\\"v\\"","e":"null"}'],
    ['gets typed values in place',   { replace: typed },             '{"n":"a","b":1}',             '{"n":-1,"b":true}'],
    ['gets typed values behind',     { append: typed },              '{"n":"a","b":[1],"h":{}}',    '{"n":["a",-1],"b":[1,true],"h":{},"f":[false],"s":["12"],"q":["\\"v\\""],"e":["null"]}'],
    ['is UTF-8',                     { add: { json: ['é:€'] } },     '{"ü":"ö"}',                   '{"ü":"ö","é":"€"}'],
    ['that is broken stays',         all,                            '{"gone":1,',                  '{"gone":1,'],
    ['that is a list stays',         all,                            '[{"gone":1}]',                '[{"gone":1}]'],
  ])('%s', async (_, config, body, expected) => {
    const { answer } = await send(config, JSON_TYPE, body)
    expect([answer?.isWhole, String(answer?.body)]).toEqual([true, expected])
  })

  // prettier-ignore
  test.each([
    ['text/plain',                                 false],
    ['application/problem+json',                   false],
    ['Application/JSON',                           true],
    ['text/plain, application/json;charset=utf-8', true],
  ])('%s is JSON: %p', async (type, isJson) => {
    const { answer } = await send({ remove: { json: ['a'] } }, `Content-Type: ${type}\r\n`, '{"a":1}')
    expect(String(answer?.body)).toBe(isJson ? '{}' : '{"a":1}')
  })

  test('what cannot be read is told in the log', async () => {
    const { log } = await send(all, JSON_TYPE, 'no json')
    expect(log.filter((line) => line.includes('was not transformed'))).toHaveLength(1)
  })

  test('the answer to a HEAD has no length, since nobody knows it', async () => {
    const { answer, log } = await send(all, JSON_TYPE, '{"gone":1}', 'HEAD')
    expect([statusOf(answer), field(answer, 'content-length')]).toEqual([200, undefined])
    expect(log.some((line) => line.includes('was not transformed'))).toBe(false)
  })

  test('of a large answer in pieces is changed as a whole', async () => {
    const list = Array.from({ length: 100_000 }, (_, i) => i)
    const { answer } = await send(all, JSON_TYPE, JSON.stringify({ gone: 1, all: list }))
    expect(JSON.parse(String(answer?.body))).toMatchObject({ all: list, added: ['a:1', '2'] })
    expect(String(answer?.body)).not.toContain('gone')
  })

  test('of an answer that is too large is cut, not passed on unchanged', async () => {
    const huge = `{"gone":"secret","x":"${'x'.repeat(32 * 1024 * 1024)}"}`
    const { answer, log } = await send(all, JSON_TYPE, huge)
    expect(answer?.isWhole ?? false).toBe(false)
    expect(String(answer?.body ?? '')).not.toContain('secret')
    await eventually(() => log.some((line) => line.includes('code=plugin_error')))
  })

  test('of other plugins is changed as well', async () => {
    await using running = await gateway(`
services: [{ name: s, url: "http://127.0.0.1:1", routes: [{ name: r, paths: ["/"] }] }]
plugins:
  - { name: response-transformer, config: { remove: { json: [request_id] }, add: { json: ["hint:sorry"], headers: ["X-A:1"] } } }
  - { name: key-auth }
`)
    const answer = await ask(running.port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    expect(statusOf(answer)).toBe(401)
    expect(String(answer?.body)).toBe('{"message":"No API key found in request","hint":"sorry"}')
    expect(field(answer, 'content-length')).toBe(String(answer?.body.length))
    expect(ours(answer)).toEqual(['X-A: 1'])
  })
})
