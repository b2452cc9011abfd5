import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const EXECUTABLE = join(import.meta.dir, '../dist/gatehouse')

export interface Nginx {
  /** Answers 100 bytes. */
  readonly upstreamUrl: string
  /** Passes to it. */
  readonly proxyUrl: string
  readonly proxyPid: number
  stop(): Promise<void>
}

/** Two nginx of one worker each: one answers, the other is what we are measured against. */
export async function startNginx(folder: string): Promise<Nginx> {
  const upstreamPort = freePort()
  const proxyPort = freePort()
  const upstream = await spawnNginx(
    folder,
    'upstream',
    upstreamPort,
    `return 200 "${'0123456789'.repeat(10)}";`,
  )
  const proxy = await spawnNginx(
    folder,
    'proxy',
    proxyPort,
    `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
     proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
     proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
     proxy_set_header X-Forwarded-Port $server_port; proxy_pass http://service;`,
    `upstream service { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 10000; }`,
  )
  return {
    upstreamUrl: `http://127.0.0.1:${upstreamPort}`,
    proxyUrl: `http://127.0.0.1:${proxyPort}/`,
    proxyPid: proxy.workerPid,
    stop: async () => void (await Promise.all([upstream.stop(), proxy.stop()])),
  }
}

async function spawnNginx(folder: string, name: string, port: number, location: string, http = '') {
  const file = join(folder, `${name}.conf`)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${name}-${each};`,
  )
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/${name}.pid; error_log ${folder}/${name}.log;
     events { worker_connections 1024; }
     http { access_log off; keepalive_requests 10000000; ${temp.join(' ')} ${http}
       server { listen 127.0.0.1:${port}; location / { ${location} } } }`,
  )
  const nginx = Bun.spawn(['nginx', '-p', folder, '-c', file], {
    stdout: 'ignore',
    stderr: 'ignore',
  })
  await answers(`http://127.0.0.1:${port}/`)
  const children = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8')
    .trim()
    .split(' ')
  return {
    workerPid: Number(children[0]),
    async stop() {
      nginx.kill('SIGTERM')
      await nginx.exited
    },
  }
}

export interface GatehouseOptions {
  readonly issuer: string
  readonly client: { readonly id: string; readonly secret: string }
  readonly upstream: string
}

/** The executable, with a route for each thing that is measured. */
export async function startGatehouse(folder: string, options: GatehouseOptions) {
  const file = join(folder, 'kong.yaml')
  writeFileSync(file, configuration(options))
  const spawn = async () => {
    const port = freePort()
    const env = {
      KONG_PROXY_LISTEN: `127.0.0.1:${port}`,
      KONG_STATUS_LISTEN: 'off',
      KONG_PROXY_ACCESS_LOG: 'off',
    }
    const startedAt = performance.now()
    const child = Bun.spawn([EXECUTABLE, 'start', '-c', file], {
      env,
      stdout: 'ignore',
      stderr: 'inherit',
    })
    const url = `http://127.0.0.1:${port}`
    await answers(`${url}/plain`)
    const startMs = performance.now() - startedAt
    const stop = async () => {
      child.kill('SIGTERM')
      await child.exited
    }
    return { url, pid: child.pid, startMs, stop }
  }
  const running = await spawn()
  return {
    ...running,
    /** Starts it so many times more; milliseconds from the start of the process to the first proxied answer. */
    async measureStarts(times: number): Promise<number[]> {
      const results: number[] = []
      for (let i = 0; i < times; i++) {
        const { startMs, stop } = await spawn()
        results.push(startMs)
        await stop()
      }
      return results
    },
  }
}

function configuration({ issuer, client, upstream }: GatehouseOptions): string {
  const methods = { bearer: 'bearer', password: 'password', refresh: 'refresh_token' }
  const route = (name: string, plugins: object[]) => ({ name, paths: [`/${name}`], plugins })
  const config = {
    issuer,
    client_id: [client.id],
    client_secret: [client.secret],
    client_auth: ['client_secret_post'],
  }
  const secured = Object.entries(methods).map(([name, method]) => {
    const refresh = method === 'refresh_token' ? { refresh_token_param_name: 'refresh_token' } : {}
    return route(name, [
      { name: 'openid-connect', config: { ...config, ...refresh, auth_methods: [method] } },
    ])
  })
  const services = [{ name: 'service', url: upstream, routes: [route('plain', []), ...secured] }]
  return JSON.stringify({ _format_version: '3.0', services })
}

async function answers(url: string): Promise<void> {
  const until = performance.now() + 10_000
  for (;;) {
    const response = await fetch(url).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.ok) return
    if (performance.now() > until) throw new Error(`${url} does not answer`)
    await Bun.sleep(1)
  }
}

function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = server
  server.stop(true)
  return port
}
