/**
 * What one proxied request costs the gateway in CPU, beside what the very same request costs nginx's `proxy_pass`, which
 * only passes it on, in the same run. Needs `nginx` and `wrk` on the PATH and the executable (`npm run build`). Prints a
 * table, writes `bench/results.json`, and fails if anything is over the bar.
 *
 *   npm run bench [-- --rounds 5 --seconds 3]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CLIENT, startProvider, USER } from '../src/quickstart/provider.ts'
import { cpuSeconds, load } from './measure.ts'
import { startGatehouse, startNginx } from './servers.ts'

/** The gateway's CPU for a request is at most this many times nginx's. */
const BAR = 2.0
/** From the start of the process to the first proxied answer; milliseconds. */
const START_BAR = 100
/** Before a round counts, seconds of each request: for so long the compiler of the runtime is at work beside it. */
const WARM_UP = 6

/** A request, the route of the gateway that takes it, and its costs in microseconds, a round each. */
interface Scenario {
  readonly title: string
  readonly route: string
  readonly headers: readonly string[]
  readonly nginx: number[]
  readonly gatehouse: number[]
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const provider = await startProvider({ port: 0, rotate: false })
const nginx = await startNginx(folder)
const gatehouse = await startGatehouse(folder, {
  issuer: provider.issuer,
  client: CLIENT,
  upstream: nginx.upstreamUrl,
})
try {
  const { access_token, refresh_token } = await fetchTokens(provider.issuer)
  const basic = btoa(`${USER.name}:${USER.password}`)
  const scenarios = [
    scenario('plain', 'plain'),
    scenario('one bearer token', 'bearer', `Authorization: Bearer ${access_token}`),
    scenario('password, cached', 'password', `Authorization: Basic ${basic}`),
    scenario('refresh token, cached', 'refresh', `Refresh-Token: ${refresh_token}`),
  ]
  for (const { route, headers } of scenarios)
    await load(`${gatehouse.url}/${route}`, headers, WARM_UP)
  // In turn, round by round: the machine's speed drifts, and must drift for both alike.
  // A busy machine gets more rounds, until one of each was undisturbed; what is too slow stays so in all of them.
  for (let round = 0; round < rounds || (isOver(scenarios) && round < 3 * rounds); round++) {
    for (const { route, headers, ...costs } of scenarios) {
      costs.nginx.push(await cost(nginx.proxyPid, nginx.proxyUrl, headers))
      costs.gatehouse.push(await cost(gatehouse.pid, `${gatehouse.url}/${route}`, headers))
    }
  }
  report(scenarios, await gatehouse.measureStarts(9))
} finally {
  await Promise.all([gatehouse.stop(), nginx.stop(), provider.stop()])
  rmSync(folder, { recursive: true })
}

function scenario(title: string, route: string, ...headers: string[]): Scenario {
  return { title, route, headers, nginx: [], gatehouse: [] }
}

/** The CPU that a proxy needs for one request, in microseconds. */
async function cost(pid: number, url: string, headers: readonly string[]): Promise<number> {
  const before = cpuSeconds(pid)
  const requests = await load(url, headers, seconds)
  return ((cpuSeconds(pid) - before) * 1e6) / requests
}

/** Whatever else the machine does only ever adds: the least of the rounds is the nearest to the truth, for both. */
function resultOf({ title, ...costs }: Scenario) {
  const nginx = Math.min(...costs.nginx)
  const gatehouse = Math.min(...costs.gatehouse)
  return { title, nginx, gatehouse, ratio: gatehouse / nginx }
}

function isOver(scenarios: readonly Scenario[]): boolean {
  return scenarios.some((each) => resultOf(each).ratio > BAR)
}

function report(scenarios: readonly Scenario[], starts: readonly number[]): void {
  const startMs = median(starts)
  const results = scenarios.map(resultOf)
  const count = scenarios[0]!.nginx.length
  console.log(`CPU for a request, µs: the least of ${count} rounds of ${seconds} s\n`)
  console.log('| request | nginx `proxy_pass` | Gatehouse | ratio |\n| --- | --- | --- | --- |')
  for (const { title, nginx, gatehouse, ratio } of results)
    console.log(
      `| ${title} | ${nginx.toFixed(1)} | ${gatehouse.toFixed(1)} | ${ratio.toFixed(2)} |`,
    )
  console.log(
    `\nFrom start to the first proxied answer: ${startMs.toFixed(0)} ms (median of ${starts.length})`,
  )
  const json = JSON.stringify({ rounds: count, seconds, results, startMs }, null, 2)
  writeFileSync(join(import.meta.dir, 'results.json'), `${json}\n`)

  const over = results
    .filter(({ ratio }) => ratio > BAR)
    .map(({ title }) => `${title} costs more than ${BAR} × nginx`)
  if (startMs > START_BAR) over.push(`the start takes more than ${START_BAR} ms`)
  for (const line of over) console.error(`over the bar: ${line}`)
  process.exitCode = over.length > 0 ? 1 : 0
}

async function fetchTokens(
  issuer: string,
): Promise<{ access_token: string; refresh_token: string }> {
  const response = await fetch(`${issuer}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'password',
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      username: USER.name,
      password: USER.password,
      scope: 'openid',
    }),
  })
  if (!response.ok) throw new Error(`the provider refused the password: ${await response.text()}`)
  return (await response.json()) as { access_token: string; refresh_token: string }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}
