import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Nginx {
  /** Answers 100 bytes. */
  readonly upstreamUrl: string
  /** Passes to it. */
  readonly proxyUrl: string
  /** Asks the token endpoint with the `code` of the query, and passes to it if the answer is good. */
  readonly codeUrl: string
  readonly proxyPid: number
  stop(): Promise<void>
}

/** Two nginx of one worker each: one answers, the other is what we are measured against. */
export async function startNginx(
  folder: string,
  { tokenEndpoint }: { tokenEndpoint: string },
): Promise<Nginx> {
  const upstreamPort = freePort()
  const proxyPort = freePort()
  const body = '0123456789'.repeat(10)
  const upstream = await spawnNginx(folder, {
    name: 'upstream',
    port: upstreamPort,
    locations: [{ path: '/', directives: `return 200 "${body}";` }],
  })
  const form = 'grant_type=authorization_code&code=$code&client_id=bench&client_secret=known'
  const token = new URL(tokenEndpoint)
  const proxy = await spawnNginx(folder, {
    name: 'proxy',
    port: proxyPort,
    http: `proxy_http_version 1.1; proxy_set_header Connection "";
      ${pool('service', `127.0.0.1:${upstreamPort}`)} ${pool('provider', token.host)}`,
    locations: [
      { path: '/', directives: PASS },
      { path: '= /code', directives: `set $code $arg_code; auth_request /token; ${PASS}` },
      {
        path: '= /token',
        directives: `internal; proxy_method POST; proxy_set_header Connection "";
          proxy_set_header Content-Type application/x-www-form-urlencoded; proxy_set_header Cookie "";
          proxy_set_body "${form}"; proxy_pass http://provider${token.pathname};`,
      },
    ],
  })
  return {
    upstreamUrl: `http://127.0.0.1:${upstreamPort}`,
    proxyUrl: `http://127.0.0.1:${proxyPort}/`,
    codeUrl: `http://127.0.0.1:${proxyPort}/code`,
    proxyPid: proxy.workerPid,
    stop: async () => void (await Promise.all([upstream.stop(), proxy.stop()])),
  }
}

const PASS = `proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
  proxy_set_header X-Forwarded-Port $server_port; proxy_pass http://service;`

function pool(name: string, server: string): string {
  return `upstream ${name} { server ${server}; keepalive 512; keepalive_requests 10000; }`
}

export interface Location {
  readonly path: string
  readonly directives: string
}

/** An nginx of one worker. `ready` is what it answers once it is there. */
export async function spawnNginx(
  folder: string,
  options: {
    readonly name: string
    readonly port: number
    readonly locations: readonly Location[]
    readonly http?: string
    readonly ready?: string
  },
) {
  const { name, port, http = '', ready = '/' } = options
  const file = join(folder, `${name}.conf`)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${name}-${each};`,
  )
  const locations = options.locations.map(
    ({ path, directives }) => `location ${path} { ${directives} }`,
  )
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/${name}.pid; error_log ${folder}/${name}.log;
     events { worker_connections 1024; }
     http { access_log off; keepalive_requests 10000000; ${temp.join(' ')} ${http}
       server { listen 127.0.0.1:${port}; ${locations.join(' ')} } }`,
  )
  const nginx = Bun.spawn(['nginx', '-p', folder, '-c', file], {
    stdout: 'ignore',
    stderr: 'ignore',
  })
  await answers(`http://127.0.0.1:${port}${ready}`)
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

/** A provider, and what the gateway is to it. */
export interface Registration {
  readonly issuer: string
  readonly client: { readonly id: string; readonly secret: string }
}

export interface GatehouseOptions {
  readonly executable: string
  /** For the credentials of the how-to. */
  readonly provider: Registration
  /** For logins, sessions and introspection. */
  readonly fixed: Registration
  readonly upstream: string
  /** What sessions and logins are sealed with. */
  readonly secret: string
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
      KONG_LOG_LEVEL: 'warn',
    }
    const startedAt = performance.now()
    const child = Bun.spawn([options.executable, 'start', '-c', file], {
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

function configuration({ provider, fixed, upstream, secret }: GatehouseOptions): string {
  const registered = ({ issuer, client }: Registration) => ({
    issuer,
    client_id: [client.id],
    client_secret: [client.secret],
    client_auth: ['client_secret_post'],
  })
  const secured = {
    bearer: { ...registered(provider), auth_methods: ['bearer'] },
    password: { ...registered(provider), auth_methods: ['password'] },
    refresh: {
      ...registered(provider),
      auth_methods: ['refresh_token'],
      refresh_token_param_name: 'refresh_token',
    },
    introspection: { ...registered(fixed), auth_methods: ['introspection'] },
    // The provider's one ID token cannot repeat each login's nonce: its comparison is all that is not done.
    code: {
      ...registered(fixed),
      auth_methods: ['authorization_code', 'session'],
      session_secret: secret,
      verify_nonce: false,
    },
  }
  const route = (name: string, plugins: object[]) => ({ name, paths: [`/${name}`], plugins })
  const routes = Object.entries(secured).map(([name, config]) =>
    route(name, [{ name: 'openid-connect', config }]),
  )
  const services = [{ name: 'service', url: upstream, routes: [route('plain', []), ...routes] }]
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

export function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = server
  server.stop(true)
  return port
}
