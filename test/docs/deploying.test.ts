import { expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Folder } from '../e2e/folder.ts'
import { Gatehouse } from '../e2e/gatehouse.ts'
import { executable } from '../e2e/executable.ts'
import { freePort } from '../http/redis.ts'
import { blocksOf } from './block.ts'

setDefaultTimeout(20_000)

const page = readFileSync(join(import.meta.dir, '../../docs/deploying.md'), 'utf8')
const [unit = '', , deployment = ''] = blocksOf('docs/deploying.md', page).map(({ text }) => text)

test('systemd finds no fault in the unit', () => {
  if (!Bun.which('systemd-analyze')) return console.log('skipped: there is no systemd-analyze')
  using folder = new Folder({
    'gatehouse.service': unit.replace('/usr/local/bin/gatehouse', executable),
  })
  chmodSync(folder.path, 0o755)
  const { exitCode, stderr } = Bun.spawnSync(
    ['systemd-analyze', 'verify', '--man=no', join(folder.path, 'gatehouse.service')],
    { stderr: 'pipe' },
  )
  expect({ exitCode, said: stderr.toString().includes('gatehouse.service:') }).toEqual({
    exitCode: 0,
    said: false,
  })
})

interface Container {
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value?: string }[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly readinessProbe: Probe
  readonly livenessProbe: Probe
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

test('the probes of the Deployment are answered where it says', async () => {
  const { spec } = Bun.YAML.parse(deployment) as {
    spec: { template: { spec: { containers: readonly [Container] } } }
  }
  const [{ args, env, ports, readinessProbe, livenessProbe }] = spec.template.spec.containers
  const status = ports.find(({ name }) => name === 'status')
  expect(args).toEqual(['start', '-c', '/etc/gatehouse/kong.yaml', '--watch'])
  expect(env[0]).toEqual({ name: 'KONG_STATUS_LISTEN', value: `0.0.0.0:${status?.containerPort}` })
  const statusPort = await freePort()
  await using _gatehouse = await Gatehouse.start({
    config: { _format_version: '3.0' },
    settings: [`status_listen = 127.0.0.1:${statusPort}`],
  })
  for (const { httpGet } of [readinessProbe, livenessProbe]) {
    expect(httpGet.port).toBe('status')
    const response = await fetch(`http://127.0.0.1:${statusPort}${httpGet.path}`)
    expect(response.status).toBe(200)
  }
})
