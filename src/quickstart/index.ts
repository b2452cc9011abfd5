import kongYaml from '../../kong.yaml' with { type: 'text' }
import { type Gateway, startGateway } from '../gateway.ts'
import { createLog } from '../log.ts'
import type { Log } from '../pdk.ts'
import { firstSignal } from '../signal.ts'
import { VERSION } from '../version.ts'
import { banner } from './banner.ts'
import { type Echo, startEcho } from './echo.ts'
import { isAddressInUse, loopbackAddresses } from './loopback.ts'
import { CLIENT, type DevelopmentProvider, startProvider, USER } from './provider.ts'
import { verify } from './verify.ts'

const PROXY_PORT = 8000
const PROVIDER_PORT = 8080
/** How many ports in a row are tried before giving up. */
const PORTS = 100
/** Milliseconds for the requests that are under way when it is to stop. */
const GRACE = 1000

/** How a quickstart goes: `verify` makes the how-to's requests and ends, `rotate` makes refresh tokens single-use. */
export interface QuickstartOptions {
  readonly verify: boolean
  readonly rotate: boolean
}

/**
 * Runs the repository's `kong.yaml` on this machine's loopback with a development identity provider, and an echo in
 * the place of `httpbin.konghq.com`, until TERM or INT; then nothing of it is left. Gives the exit status: 1 if
 * something was not verified. Throws `EADDRINUSE` if there is no free port far and wide.
 */
export async function quickstart(
  { verify: verifies, rotate }: QuickstartOptions,
  out: { write(text: string): unknown },
): Promise<number> {
  const stopped = firstSignal('SIGINT', 'SIGTERM')
  // What --verify provokes on purpose is no news.
  const log = createLog(verifies ? 'warn' : 'notice', (line) => process.stderr.write(line))
  await using running = new AsyncDisposableStack()
  const echo = running.adopt(await startEcho(), (echo) => echo.stop())
  const provider = running.adopt(
    await onFreePort(PROVIDER_PORT, (port) => startProvider({ port, rotate })),
    (provider) => provider.stop(),
  )
  const gateway = running.adopt(
    await onFreePort(PROXY_PORT, (port) => startProxy(port, provider, echo, log)),
    (gateway) => gateway.stop(GRACE),
  )
  const proxyUrl = `http://localhost:${gateway.ports[0]}`
  if (verifies) {
    const print = (line: string) => out.write(`${line}\n`)
    const interrupted = stopped.then(() => false)
    return (await Promise.race([verify({ proxyUrl, provider, print }), interrupted])) ? 0 : 1
  }
  const readyMs = performance.now()
  const facts = { version: VERSION, proxyUrl, readyMs, issuer: provider.issuer }
  out.write(banner({ ...facts, user: USER.name, password: USER.password }))
  await stopped
  return 0
}

function startProxy(
  port: number,
  provider: DevelopmentProvider,
  echo: Echo,
  log: Log,
): Promise<Gateway> {
  return startGateway({
    files: [{ name: 'kong.yaml', text: kongYaml }],
    // Only these: a variable of the shell it runs in must not lead the quickstart to a real provider.
    env: {
      DECK_ISSUER: provider.issuer,
      DECK_CLIENT_ID: CLIENT.id,
      DECK_CLIENT_SECRET: CLIENT.secret,
    },
    listen: loopbackAddresses().map((host) => ({ host, port })),
    connectTo: new Map([['httpbin.konghq.com:80', { host: '127.0.0.1', port: echo.port }]]),
    log,
  })
}

/** Starts something on the first port from `first` on that nobody else has. */
async function onFreePort<T>(first: number, start: (port: number) => Promise<T>): Promise<T> {
  for (let port = first; ; port++) {
    try {
      return await start(port)
    } catch (fault) {
      if (!isAddressInUse(fault) || port + 1 === first + PORTS) throw fault
    }
  }
}
