import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Folder } from '../../e2e/folder.ts'
import { gateway, proxied, type TestGateway } from '../gateway.ts'
import { answering, service } from '../service.ts'

/** What is looked at here of an entry. */
interface Entry {
  readonly request: {
    id: string
    uri: string
    url: string
    method: string
    size: number
    headers: Record<string, unknown>
    querystring: Record<string, unknown>
  }
  readonly response: { status: number; size: number; headers: Record<string, unknown> }
  readonly [name: string]: unknown
}

/** The whole log, once it has so many lines. */
async function entries(path: string, count: number): Promise<Entry[]> {
  const text = () => (existsSync(path) ? readFileSync(path, 'utf8') : '')
  const until = performance.now() + 3_000
  while (text().split('\n').length - 1 < count) {
    if (performance.now() > until) throw new Error(`the log has: ${text()}`)
    await Bun.sleep(10)
  }
  return text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry)
}

const plugin = (path: string) => `{ name: file-log, config: { path: "${path}" } }`
const at = ({ port }: TestGateway, path: string) => `http://127.0.0.1:${port}${path}`
const KEYS = `consumers:
  - { username: alex, custom_id: "7", keyauth_credentials: [{ key: s3cret }] }
`

test('a request is described as Kong does', async () => {
  using folder = new Folder()
  const path = join(folder.path, 'a.log')
  using target = await service(
    answering('HTTP/1.1 201 Created\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nok'),
  )
  await using running = await gateway(`${proxied(target.port)}plugins: [${plugin(path)}]\n`)
  const before = Date.now()
  const response = await fetch(at(running, '/a%20b?x=1&y=2&x=3&z'), {
    method: 'POST',
    headers: { 'X-Some': 'thing', 'User-Agent': 'test' },
    body: 'hello',
  })
  expect(response.status, running.log.join('')).toBe(201)

  const [entry] = await entries(path, 1)
  expect(entry).toMatchObject({
    request: {
      id: response.headers.get('X-Kong-Request-Id')!,
      method: 'POST',
      uri: '/a%20b?x=1&y=2&x=3&z',
      url: at(running, '/a%20b?x=1&y=2&x=3&z'),
      querystring: { x: ['1', '3'], y: '2', z: true },
      headers: { 'x-some': 'thing', 'user-agent': 'test', 'content-length': '5' },
    },
    response: { status: 201, headers: { 'x-a': ['1', '2'] } },
    upstream_uri: '/a%20b?x=1&y=2&x=3&z',
    upstream_status: '201',
    tries: [{ ip: '127.0.0.1', port: target.port }],
    route: { name: 'route' },
    service: { name: 'service', port: target.port },
    client_ip: '127.0.0.1',
    source: 'upstream',
    workspace_name: 'default',
  })
  expect(entry?.started_at as number).toBeWithin(before, Date.now() + 1)
  const [sent] = target.requests
  expect(entry!.request.size).toBeGreaterThan(100)
  expect(entry!.request.size).toBeLessThan(sent!.head.length)
  expect(entry!.response.size).toBeGreaterThan('HTTP/1.1 201 Created\r\n\r\nok'.length)
  const latencies = entry!.latencies as Record<string, number>
  expect(Object.keys(latencies).sort()).toEqual(['kong', 'proxy', 'receive', 'request'])
  expect(latencies.request).toBeGreaterThanOrEqual(latencies.proxy!)
  expect(entry).not.toHaveProperty('consumer')
})

test('who was let in is named, and the key is not', async () => {
  using folder = new Folder()
  const path = join(folder.path, 'a.log')
  using target = await service(
    answering('HTTP/1.1 200 OK\r\nSet-Cookie: s=s3cret\r\nContent-Length: 0\r\n\r\n'),
  )
  await using running = await gateway(
    `${proxied(target.port)}${KEYS}plugins: [${plugin(path)}, { name: key-auth, config: { hide_credentials: false } }]\n`,
  )
  await fetch(at(running, '/?apikey=s3cret&a=b'), {
    headers: {
      apikey: 's3cret',
      authorization: 'Basic s3cret',
      cookie: 'session=s3cret',
      referer: 'https://a.test/?access_token=s3cret',
    },
  })
  const [entry] = await entries(path, 1)
  expect(entry?.consumer).toMatchObject({ username: 'alex', custom_id: '7' })
  const { id } = entry!.consumer as { id: string }
  expect(entry?.authenticated_entity).toMatchObject({ consumer_id: id })
  expect(entry!.request.headers).toMatchObject({ apikey: 'REDACTED', authorization: 'REDACTED' })
  expect(entry!.request.querystring).toEqual({ apikey: 'REDACTED', a: 'b' })
  expect(readFileSync(path, 'utf8')).not.toContain('s3cret')
})

test('what the gateway answers itself is there too, with and without a route', async () => {
  using folder = new Folder()
  const path = join(folder.path, 'a.log')
  using target = await service(answering(''))
  await using running = await gateway(
    `${proxied(target.port, '', 'paths: ["/here"]')}${KEYS}plugins: [${plugin(path)}, { name: key-auth }]\n`,
  )
  await fetch(at(running, '/here'))
  await fetch(at(running, '/nowhere'))
  const [refused, lost] = await entries(path, 2)
  expect(refused).toMatchObject({
    source: 'kong',
    response: { status: 401 },
    route: { name: 'route' },
    upstream_status: '',
    latencies: { proxy: -1 },
    tries: [],
  })
  expect(lost).toMatchObject({ source: 'kong', response: { status: 404 }, upstream_uri: '' })
  expect(lost).not.toHaveProperty('route')
})

test('many requests make whole lines, each its own', async () => {
  using folder = new Folder()
  const path = join(folder.path, 'a.log')
  using target = await service(answering('HTTP/1.1 204 No Content\r\n\r\n'))
  const running = await gateway(`${proxied(target.port)}plugins: [${plugin(path)}]\n`)
  const paths = Array.from({ length: 200 }, (_, i) => `/${i}`)
  for (let i = 0; i < 200; i += 20)
    await Promise.all(paths.slice(i, i + 20).map((each) => fetch(at(running, each))))
  // What is not written yet is written before the gateway ends.
  await running.stop(1000)
  const logged = await entries(path, 200)
  expect(new Set(logged.map(({ request }) => request.uri))).toEqual(new Set(paths))
})

test('Lua is refused with a sentence', async () => {
  const loading = gateway(
    'plugins: [{ name: file-log, config: { path: /tmp/a.log, custom_fields_by_lua: { a: "return 1" } } }]\n',
  )
  const error = (await loading.catch((caught: unknown) => caught)) as {
    faults: { message: string }[]
  }
  expect(error.faults.map(({ message }) => message)).toEqual([
    'Gatehouse runs no Lua, and what these would add or take away is in the log otherwise',
  ])
})
