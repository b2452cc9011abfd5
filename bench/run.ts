/**
 * What one proxied request costs the gateway in CPU, beside nginx's `proxy_pass` in the same run. Needs `nginx` and `wrk`
 * on the PATH and the executable (`npm run build`). Prints a table, writes `bench/results.json`, and fails over the bar.
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
  const basic = `Authorization: Basic ${btoa(`${USER.name}:${USER.password}`)}`
  const tokens = await fetchTokens(provider.issuer)
  const scenarios = [
    { name: 'nginx proxy_pass', url: nginx.proxyUrl, pid: nginx.proxyPid, headers: [] },
    { name: 'plain', url: `${gatehouse.url}/plain`, pid: gatehouse.pid, headers: [] },
    {
      name: 'one bearer token',
      url: `${gatehouse.url}/bearer`,
      pid: gatehouse.pid,
      headers: [`Authorization: Bearer ${tokens.access_token}`],
    },
    {
      name: 'password, cached',
      url: `${gatehouse.url}/password`,
      pid: gatehouse.pid,
      headers: [basic],
    },
    {
      name: 'refresh token, cached',
      url: `${gatehouse.url}/refresh`,
      pid: gatehouse.pid,
      headers: [`Refresh-Token: ${tokens.refresh_token}`],
    },
  ]
  const costs = new Map<string, number[]>(scenarios.map(({ name }) => [name, []]))
  // In turn, round by round: the machine's speed drifts, and must drift for all alike.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, url, pid, headers } of scenarios) {
      const before = cpuSeconds(pid)
      const requests = await load(url, headers, round === 0 ? 1 : seconds)
      const micros = ((cpuSeconds(pid) - before) * 1e6) / requests
      if (round > 0) costs.get(name)!.push(micros)
    }
  }
  const base = costs.get('nginx proxy_pass')!
  const results = [...costs].map(([name, micros]) => ({
    name,
    micros: median(micros),
    ratio: median(micros.map((each, i) => each / base[i]!)),
  }))
  const starts = await gatehouse.measureStarts(9)
  const start = median(starts)

  console.log(
    `CPU of the proxy process for a request, median of ${rounds} rounds of ${seconds} s\n`,
  )
  console.log('| what | µs | to nginx |\n| --- | --- | --- |')
  for (const { name, micros, ratio } of results)
    console.log(`| ${name} | ${micros.toFixed(1)} | ${ratio.toFixed(2)} |`)
  console.log(
    `\nFrom start to the first proxied answer: ${start.toFixed(0)} ms (median of ${starts.length})`,
  )
  writeFileSync(
    join(import.meta.dir, 'results.json'),
    `${JSON.stringify({ rounds, seconds, results, startMs: start }, null, 2)}\n`,
  )

  const over = results
    .filter(({ ratio }) => ratio > BAR)
    .map(({ name }) => `${name} costs more than ${BAR} × nginx`)
  if (start > START_BAR) over.push(`the start takes more than ${START_BAR} ms`)
  for (const line of over) console.error(`over the bar: ${line}`)
  process.exitCode = over.length > 0 ? 1 : 0
} finally {
  await Promise.all([gatehouse.stop(), nginx.stop(), provider.stop()])
  rmSync(folder, { recursive: true })
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
