import { readFileSync } from 'node:fs'

const CONNECTIONS = 64

/** Linux counts CPU time in hundredths of a second (`USER_HZ`). */
const TICKS = 100

/** The CPU time that a process has used, all its threads together, those that have ended too; in seconds. */
export function cpuSeconds(pid: number): number {
  // The second field is the program's name, which may hold blanks and brackets (proc(5)).
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** What a load sends: always the same headers, or for each request what a script of wrk's says. */
export interface Sent {
  readonly headers?: readonly string[]
  readonly script?: readonly [file: string, ...args: string[]]
}

/** Sends requests for so many seconds over 64 connections, and gives how many were answered. Throws if any failed. */
export async function load(
  url: string,
  { headers = [], script: [file, ...args] = [''] }: Sent,
  seconds: number,
): Promise<number> {
  const options = [
    ...['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`],
    ...headers.flatMap((header) => ['-H', header]),
    ...(file === '' ? [] : ['-s', file]),
  ]
  const wrk = Bun.spawn(['wrk', ...options, url, ...(args.length > 0 ? ['--', ...args] : [])], {
    stdout: 'pipe',
  })
  const report = await new Response(wrk.stdout).text()
  const requests = Number(/(\d+) requests in/.exec(report)?.[1] ?? 0)
  if (requests === 0 || /Non-2xx|Socket errors/.test(report))
    throw new Error(`the load on ${url} went wrong:\n${report}`)
  return requests
}
