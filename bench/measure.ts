import { readdirSync, readFileSync } from 'node:fs'

const CONNECTIONS = 64

/** The CPU time that a process has used, all its threads together, in seconds: Linux's own count, in nanoseconds. */
export function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  )
  return times.reduce((sum, each) => sum + each, 0) / 1e9
}

/** Sends requests for so many seconds over 64 connections, and gives how many were answered. Throws if any failed. */
export async function load(
  url: string,
  headers: readonly string[],
  seconds: number,
): Promise<number> {
  const options = headers.flatMap((header) => ['-H', header])
  const wrk = Bun.spawn(['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...options, url], {
    stdout: 'pipe',
  })
  const report = await new Response(wrk.stdout).text()
  const requests = Number(/(\d+) requests in/.exec(report)?.[1] ?? 0)
  if (requests === 0 || /Non-2xx|Socket errors/.test(report))
    throw new Error(`the load on ${url} went wrong:\n${report}`)
  return requests
}
