import { describe, expect, test } from 'bun:test'
import { gateway, proxied } from '../gateway.ts'
import { answering, ok, service } from '../service.ts'
import { ask, type Message, statusOf } from '../wire.ts'

const FORM = 'Content-Type: application/x-www-form-urlencoded\r\n'
const JSON_TYPE = 'Content-Type: application/json; charset=utf-8\r\n'
const MULTIPART = 'Content-Type: multipart/form-data; boundary=b\r\n'

interface Sent {
  readonly target?: string
  readonly method?: string
  readonly fields?: string
  readonly body?: string
}

/** What a service is sent by way of the plugin. */
async function send(
  config: object,
  { target = '/', method = 'GET', fields = '', body }: Sent = {},
) {
  using upstream = await service(answering(ok()))
  const plugin = JSON.stringify({ name: 'request-transformer', config })
  await using running = await gateway(`${proxied(upstream.port)}plugins: [${plugin}]`)
  const bytes = body === undefined ? undefined : Buffer.from(body)
  const length = bytes ? `Content-Length: ${bytes.length}\r\n` : ''
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: h.test\r\n${fields}${length}\r\n`)
  const answer = await ask(running.port, Buffer.concat([head, bytes ?? Buffer.alloc(0)]))
  return { answer, request: upstream.requests[0], log: running.log }
}

/** The fields of a request that begin with `x-` but for the gateway's own, in their order and spelling. */
function ours(request: Message | undefined): string[] {
  return (request?.fields ?? [])
    .filter(([name]) => /^(?:x-(?!forwarded|real-ip|kong)|user-agent|authorization)/i.test(name))
    .map(([name, value]) => `${name}: ${value}`)
}

function valueOf(request: Message | undefined, name: string): string[] {
  return (request?.fields ?? []).flatMap(([each, value]) =>
    each.toLowerCase() === name ? [value] : [],
  )
}

describe('headers', () => {
  // prettier-ignore
  test.each<[string, object, string, string[]]>([
    ['are removed in any case',          { remove: { headers: ['X-Gone'] } },          'x-gone: 1\r\nX-GONE: 2\r\nX-Kept: 3\r\n', ['X-Kept: 3']],
    ['are renamed',                      { rename: { headers: ['X-Old:X-New'] } },     'x-old: 1\r\nx-old: 2\r\n',   ['x-new: 1', 'x-new: 2']],
    ['are renamed over others',          { rename: { headers: ['x-old:x-new'] } },     'x-old: 1\r\nX-New: 2\r\n',   ['x-new: 1']],
    ['are not renamed from nothing',     { rename: { headers: ['x-old:x-new'] } },     'X-New: 2\r\n',               ['X-New: 2']],
    ['change their case',                { rename: { headers: ['x-name:X-Name'] } },   'x-name: 1\r\n',              ['X-Name: 1']],
    ['stay under the same name',         { rename: { headers: ['x-name:x-name'] } },   'x-name: 1\r\n',              ['x-name: 1']],
    ['are replaced, spelled as they were', { replace: { headers: ['x-A:new'] } },      'X-a: 1\r\nx-a: 2\r\n',       ['X-a: new']],
    ['are not replaced if absent',       { replace: { headers: ['x-a:new'] } },        '',                           []],
    ['are added as configured',          { add: { headers: ['X-aDDed:v:1'] } },        '',                           ['X-aDDed: v:1']],
    ['are not added twice',              { add: { headers: ['x-a:new', 'x-b:1'] } },   'X-A: old\r\n',               ['X-A: old', 'x-b: 1']],
    ['are appended',                     { append: { headers: ['X-a:2', 'X-a:3', 'X-b:#4'] } }, 'x-A: 1\r\n',        ['x-A: 1', 'X-a: 2', 'X-a: 3', 'X-b: #4']],
    ['are added after removal',          { remove: { headers: ['Authorization'] }, add: { headers: ['Authorization:Basic x'] } }, 'Authorization: Basic y\r\n', ['Authorization: Basic x']],
    ['without a value change nothing',   { add: { headers: ['x-a:'] }, replace: { headers: ['x-b:'] } }, 'x-b: 1\r\n', ['x-b: 1']],
    ['are UTF-8',                        { add: { headers: ['x-a:é€'] } },             '',                           ['x-a: \xc3\xa9\xe2\x82\xac']],
  ])('%s', async (_, config, fields, expected) => {
    const { request } = await send(config, { fields })
    expect(ours(request)).toEqual(expected)
  })

  test('host is replaced, and neither removed, renamed nor added', async () => {
    const { request } = await send({
      remove: { headers: ['host'] },
      rename: { headers: ['host:x-host'] },
      add: { headers: ['host:added'] },
      replace: { headers: ['Host:other.test'] },
    })
    expect(valueOf(request, 'host')).toEqual(['other.test'])
    expect(ours(request)).toEqual([])
  })
})

describe('the query', () => {
  // prettier-ignore
  test.each<[string, object, string, string]>([
    ['stays as it is without work to do', { add: { headers: ['x-a:1'] } },             '/?b=%61&a=$,',       '/?b=%61&a=$,'],
    ['loses arguments',                  { remove: { querystring: ['a'] } },           '/?b=2&a=1&%61=3',    '/?b=2'],
    ['is empty in the end',              { remove: { querystring: ['a'] } },           '/?a=1',              '/'],
    ['gets other names',                 { rename: { querystring: ['a:c'] } },         '/?a=1&b=2&a=3',      '/?b=2&c=1&c=3'],
    ['keeps what is not renamed',        { rename: { querystring: ['none:c'] } },      '/?c=1',              '/?c=1'],
    ['gets other values',                { replace: { querystring: ['a:x', 'c:y'] } }, '/?a=1&a=2&b=2',      '/?a=x&b=2'],
    ['gets arguments',                   { add: { querystring: ['a:x', 'c:y:z'] } },   '/?a=1',              '/?a=1&c=y%3Az'],
    ['gets further values',              { append: { querystring: ['a:2', 'a:3', 'b:4'] } }, '/?a=1',        '/?a=1&a=2&a=3&b=4'],
    ['is written by the alphabet',       { add: { querystring: ['b[x][1]:1'] } },      '/?c=a+b&a=%2F&a&=z', '/?a=%2F&a&b%5Bx%5D%5B1%5D=1&c=a%20b'],
    ['works in order',                   { remove: { querystring: ['a'] }, rename: { querystring: ['b:c'] }, replace: { querystring: ['c:r'] }, add: { querystring: ['a:n'] }, append: { querystring: ['a:m'] } }, '/?a=1&b=2', '/?a=n&a=m&c=r'],
  ])('%s', async (_, config, target, expected) => {
    const { request } = await send(config, { target })
    expect(request?.line).toBe(`GET ${expected} HTTP/1.1`)
  })
})

describe('a body', () => {
  const all = {
    remove: { body: ['gone'] },
    rename: { body: ['old:new'] },
    replace: { body: ['there:r', 'none:r'] },
    add: { body: ['there:a', 'added:a:1'] },
    append: { body: ['list:2', 'begun:b'] },
  }

  // prettier-ignore
  test.each<[string, object, string, string, string]>([
    ['of JSON',                     all, JSON_TYPE, '{"gone":1,"old":1.50,"there":"x","list":"1","e":[]}', '{"there":"r","list":["1","2"],"e":[],"new":1.50,"added":"a:1","begun":["b"]}'],
    ['of a form',                   all, FORM,      'gone=1&old=1&there=x&list=1',        'there=r&list=1&list=2&new=1&added=a%3A1&begun=b'],
    ['that is empty JSON',          all, JSON_TYPE, '',                                   '{"there":"a","added":"a:1","list":["2"],"begun":["b"]}'],
    ['that is an empty form',       { add: { body: ['a:é'] } }, FORM, '',                 'a=%C3%A9'],
    ['of JSON in UTF-8',            { add: { body: ['é:€'] } }, JSON_TYPE, '{"ü":"ö"}',  '{"ü":"ö","é":"€"}'],
    ['of broken JSON stays',        all, JSON_TYPE, '{"gone":1,',                         '{"gone":1,'],
    ['of a JSON list stays',        all, JSON_TYPE, '[{"gone":1}]',                       '[{"gone":1}]'],
    ['of another type stays',       all, 'Content-Type: text/plain\r\n', 'gone=1',        'gone=1'],
    ['without anything to do stays', { replace: { body: ['a:1'] } }, JSON_TYPE, '{ "b": 1 }', '{ "b": 1 }'],
  ])('%s', async (_, config, fields, body, expected) => {
    const { request } = await send(config, { method: 'POST', fields, body })
    expect(String(request?.body)).toBe(expected)
    expect(valueOf(request, 'content-length')).toEqual([String(Buffer.byteLength(expected))])
  })

  const part = (name: string, value: string, more = '') =>
    `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`

  test('of a multipart form', async () => {
    const file = part('file', '\x00\r\n', '; filename="f"')
    const { request } = await send(all, {
      method: 'POST',
      fields: MULTIPART,
      body: `${part('gone', '1')}${file}${part('old', '2')}${part('there', 'x')}${part('list', '1')}--b--\r\n`,
    })
    expect(String(request?.body)).toBe(
      `${file}${part('list', '1')}${part('new', '2')}${part('there', 'r')}${part('added', 'a:1')}--b--\r\n`,
    )
  })

  test('is made where there was none', async () => {
    const { request } = await send(
      { http_method: 'POST', add: { headers: ['Content-Type:application/json'], body: ['a:b'] } },
      {},
    )
    expect(request?.line).toBe('POST / HTTP/1.1')
    expect(String(request?.body)).toBe('{"a":"b"}')
  })

  test('that comes in chunks gets a length', async () => {
    using upstream = await service(answering(ok()))
    await using running = await gateway(
      `${proxied(upstream.port)}plugins: [{ name: request-transformer, config: { add: { body: ["a:b"] } } }]`,
    )
    const chunks = '5\r\n{"c":\r\n2\r\n1}\r\n0\r\n\r\n'
    await ask(
      running.port,
      `POST / HTTP/1.1\r\nHost: h\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n${chunks}`,
    )
    const [request] = upstream.requests
    expect(valueOf(request, 'content-length')).toEqual(['15'])
    expect(String(request?.body)).toBe('{"c":1,"a":"b"}')
  })

  test('that is too long to be read is 413', async () => {
    const { answer, request } = await send(all, {
      method: 'POST',
      fields: JSON_TYPE,
      body: JSON.stringify('x'.repeat(8 * 1024 * 1024)),
    })
    expect([statusOf(answer), request]).toEqual([413, undefined])
  })

  test('from which key-auth has taken the key does not get it back', async () => {
    using upstream = await service(answering(ok()))
    await using running = await gateway(`${proxied(upstream.port)}
consumers: [{ username: alex, keyauth_credentials: [{ key: secret }] }]
plugins:
  - { name: key-auth, config: { key_in_body: true } }
  - { name: request-transformer, config: { add: { body: ["a:b"] } } }
`)
    const body = 'apikey=secret&c=1'
    await ask(
      running.port,
      `POST / HTTP/1.1\r\nHost: h\r\n${FORM}Content-Length: ${body.length}\r\n\r\n${body}`,
    )
    expect(String(upstream.requests[0]?.body)).toBe('c=1&a=b')
  })
})

describe('the method', () => {
  test('is changed', async () => {
    const { request } = await send({ http_method: 'POST' }, { target: '/?a=1' })
    expect(request?.line).toBe('POST /?a=1 HTTP/1.1')
  })

  test('GET takes a form into the query', async () => {
    const { request } = await send(
      { http_method: 'GET' },
      { method: 'POST', target: '/?b=1', fields: FORM, body: 'a=2&b=3' },
    )
    expect(request?.line).toBe('GET /?a=2&b=1&b=3 HTTP/1.1')
  })

  test('HEAD instead of GET: the client waits for no body', async () => {
    using upstream = await service(answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'))
    await using running = await gateway(
      `${proxied(upstream.port)}plugins: [{ name: request-transformer, config: { http_method: HEAD } }]`,
    )
    const answer = await ask(running.port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    expect([upstream.requests[0]?.line, statusOf(answer)]).toEqual(['HEAD / HTTP/1.1', 200])
    expect([answer?.isWhole, String(answer?.body)]).toEqual([true, ''])
  })
})

describe('a template', () => {
  test('sees the request as it came', async () => {
    const { request } = await send(
      {
        remove: { headers: ['x-gone'], querystring: ['q'] },
        replace: { headers: ['x-there:new'] },
        add: {
          headers: ['x-q:$(query_params.q)', 'x-host:$(headers.host)'],
          querystring: ['gone:$(headers["x-gone"])', 'there:$(headers.X_There or "none")'],
        },
      },
      { target: '/?q=20', fields: 'X-Gone: 1\r\nX-There: old\r\n' },
    )
    expect(request?.line).toBe('GET /?gone=1&there=old HTTP/1.1')
    expect(ours(request)).toEqual(['X-There: new', 'x-q: 20', 'x-host: h.test'])
  })

  // prettier-ignore
  test.each<[string, string, object, string, string]>([
    ['by name',            '~/user/(?P<name>\\w+)/(?<other>\\S+)', { replace: { uri: '/$(uri_captures.other)/$(uri_captures["name"])' } }, '/user/a/b', '/b/a'],
    ['by number',          '~/user(/\\w+)',                   { replace: { uri: '/all$(uri_captures[0])/one$(uri_captures[1])' } }, '/user/a',   '/all/user/a/one/a'],
    ['or nothing',         '~/(gw/)?api/(?<path>\\w+)$',      { replace: { uri: '/v2/$(uri_captures[1])$(uri_captures.path)' } },   '/api/a',    '/v2/a'],
    ['of a plain path',    '/user',                            { add: { querystring: ['n:$(uri_captures.name or "none")'] } },     '/user/a',   '/user/a?n=none'],
    ['beyond ASCII',       '~/user/(?<name>[^/]+)',            { add: { querystring: ['n:$(uri_captures.name)'] } },               '/user/%C3%A9',  '/user/%C3%A9?n=%C3%A9'],
  ])('takes what the path of the route captured, %s', async (_, path, config, target, expected) => {
    using upstream = await service(answering(ok()))
    const plugin = JSON.stringify({ name: 'request-transformer', config })
    const route = `paths: ['${path}'], strip_path: false`
    await using running = await gateway(`${proxied(upstream.port, '', route)}plugins: [${plugin}]`)
    await ask(running.port, `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`)
    expect(upstream.requests[0]?.line).toBe(`GET ${expected} HTTP/1.1`)
  })

  test('is filled in in a body and in a new name', async () => {
    const { request } = await send(
      {
        add: { body: ['agent:$(headers["User-Agent"])'] },
        rename: { body: ['a:$(query_params.to)'] },
      },
      {
        method: 'POST',
        target: '/?to=b',
        fields: `${JSON_TYPE}User-Agent: me\r\n`,
        body: '{"a":1}',
      },
    )
    expect(String(request?.body)).toBe('{"b":1,"agent":"me"}')
  })

  test('makes the path, and what it is given cannot leave it', async () => {
    const { request } = await send(
      { replace: { uri: '/v2/$(query_params.a)/é' } },
      { target: '/?a=x%20y%0d%0aX-Evil:%201' },
    )
    expect(request?.line).toBe(
      'GET /v2/x%20y%0D%0AX-Evil:%201/%C3%A9?a=x%20y%0d%0aX-Evil:%201 HTTP/1.1',
    )
  })

  test('cannot begin a header of its own', async () => {
    const { request } = await send(
      { add: { headers: ['x-a:$(query_params.a)'] } },
      { target: '/?a=1%0d%0aX-Evil:%201' },
    )
    expect(ours(request)).toEqual(['x-a: 1  X-Evil: 1'])
  })

  // prettier-ignore
  test.each([
    ['a path that does not begin with /',  { replace: { uri: '$(query_params.a)' } }],
    ['a part of what is not there',        { add: { headers: ['x-a:$(headers.none[1])'] } }],
  ])('that gives %s is 500', async (_, config) => {
    const { answer, request, log } = await send(config, { target: '/?a=b' })
    expect([statusOf(answer), request]).toEqual([500, undefined])
    expect(log.some((line) => line.includes('code=plugin_error'))).toBe(true)
  })
})
