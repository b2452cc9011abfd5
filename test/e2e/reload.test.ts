import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Connection, request } from './client.ts'
import { gatewayOf } from './entities.ts'
import { Gatehouse } from './gatehouse.ts'
import { Load } from './load.ts'
import { Service } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

/** A plugin that answers instead of the service, so that one sees which configuration answered. */
const answers = (status_code: number) => ({ name: 'request-termination', config: { status_code } })

describe('HUP', () => {
  test('loads again without losing a request', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url),
      settings: ['proxy_access_log = off'],
    })
    const load = new Load(gatehouse.port, 20)
    for (let i = 0; i < 10; i++) {
      const before = load.total
      await gatehouse.reload(gatewayOf(service.url, { name: 'key-auth', enabled: i % 2 === 1 }))
      await until('answers after a reload', () => load.total > before + 40)
    }
    await load.stop()
    expect(load.answers['lost']).toBeUndefined()
    expect(Object.keys(load.answers).sort()).toEqual(['200', '401'])
    expect(load.answers['401']).toBeGreaterThan(40)
  })

  test('a request keeps the configuration that it began with', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    using connection = await Connection.open(gatehouse.port)
    const slow = connection.request({ path: '/anything?delay=400' })
    await until('the slow request at the service', () => service.requests.length === 1)
    await gatehouse.reload(gatewayOf(service.url, answers(418)))
    expect((await request(gatehouse.port)).status).toBe(418)
    expect((await slow).status).toBe(200)
    // The connection lives on, under the new configuration.
    expect((await connection.request()).status).toBe(418)
  })

  test('a bad file changes nothing, and the log says where it is bad', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    gatehouse.write(
      `_format_version: "3.0"\nservices:\n- name: example-service\n  urll: ${service.url}\nplugins:\n- name: kay-auth\n`,
    )
    gatehouse.signal('SIGHUP')
    const line = await gatehouse.logged(/kong\.yaml:4:3 services\[0\]\.urll: unknown field/)
    expect(line).toMatch(/\[error\] .*did you mean "url"\? code=reload_refused$/)
    await gatehouse.logged(/kong\.yaml:6:\d+ plugins\[0\]\.name: .*did you mean "key-auth"\?/)
    expect((await request(gatehouse.port)).status).toBe(200)
    await gatehouse.reload(gatewayOf(service.url, answers(418)))
    expect((await request(gatehouse.port)).status).toBe(418)
  })

  test('a file that is gone changes nothing', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    rmSync(join(gatehouse.folder.path, 'kong.yaml'))
    gatehouse.signal('SIGHUP')
    const line = await gatehouse.logged(/kong\.yaml: no such file/)
    expect(line).toMatch(
      /\[error\] kong\.yaml: no such file \(looked in \S+\); the old configuration goes on code=reload_refused$/,
    )
    expect((await request(gatehouse.port)).status).toBe(200)
  })

  test('a folder that is gone changes nothing', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    rmSync(gatehouse.folder.path, { recursive: true })
    gatehouse.signal('SIGHUP')
    const line = await gatehouse.logged(/code=reload_refused/)
    expect(line).toContain(
      'kong.yaml: no such file (looked in a folder that is gone); the old configuration goes on',
    )
    expect((await request(gatehouse.port)).status).toBe(200)
  })

  test('a hundred reloads leave no memory behind', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url) })
    for (let i = 0; i < 20; i++) await gatehouse.reload(gatewayOf(service.url, answers(418)))
    const before = await gatehouse.memory()
    for (let i = 0; i < 80; i++) await gatehouse.reload(gatewayOf(service.url, answers(418)))
    expect((await gatehouse.memory()) - before).toBeLessThan(32 * 1024 * 1024)
  })
})

describe('--watch', () => {
  test('loads a changed file, without losing a request', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url),
      words: ['--watch'],
      settings: ['proxy_access_log = off'],
    })
    const load = new Load(gatehouse.port, 10)
    gatehouse.write(gatewayOf(service.url, answers(418)))
    await until('an answer of the new configuration', () => load.answers['418'])
    await load.stop()
    expect(Object.keys(load.answers).sort()).toEqual(['200', '418'])
  })

  test('loads a file that is replaced by another, as editors do', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url),
      words: ['--watch'],
    })
    const path = gatehouse.folder.write('new', JSON.stringify(gatewayOf(service.url, answers(418))))
    renameSync(path, join(gatehouse.folder.path, 'kong.yaml'))
    await until('the new configuration', async () => (await request(gatehouse.port)).status === 418)
  })

  test('a file that is gone changes nothing; when it is back it is loaded', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url),
      words: ['--watch'],
    })
    rmSync(join(gatehouse.folder.path, 'kong.yaml'))
    const line = await gatehouse.logged(/code=reload_refused/)
    expect(line).toMatch(
      /\[error\] kong\.yaml: no such file \(looked in \S+\); the old configuration goes on /,
    )
    expect(gatehouse.log).not.toContain('quickstart')
    expect((await request(gatehouse.port)).status).toBe(200)
    gatehouse.write(gatewayOf(service.url, answers(418)))
    await until('the new configuration', async () => (await request(gatehouse.port)).status === 418)
  })

  test('a bad file changes nothing; the next good one is loaded', async () => {
    using service = new Service()
    await using gatehouse = await Gatehouse.start({
      config: gatewayOf(service.url),
      words: ['--watch'],
    })
    gatehouse.write('_format_version: "3.0"\nservices: [\n')
    await gatehouse.logged(
      /\[error\] kong\.yaml:3:1.*code=reload_refused|\[error\] kong\.yaml:2:\d+.*code=reload_refused/,
    )
    expect((await request(gatehouse.port)).status).toBe(200)
    gatehouse.write(gatewayOf(service.url, answers(418)))
    await until('the new configuration', async () => (await request(gatehouse.port)).status === 418)
  })
})
