import { expect, test } from 'bun:test'
import { verify } from '../../../src/quickstart/verify.ts'

type Fault =
  'forgets' | 'keeps the access token' | 'sends no JWT' | 'sends no refresh token' | 'lets all in'

test('a gateway that does the how-to is nine ticks', async () => {
  const { holds, lines } = await verifyStub()
  expect(holds).toBe(true)
  expect(lines).toEqual([
    '✓ the password: 200, and the service receives a Bearer JWT and a Refresh-Token',
    '✓ the password again: 200 without a call to the provider (25 ms, then 0 ms in the gateway)',
    '✓ Refresh-Token: 200, and the service receives new tokens',
    '✓ Refresh-Token again: 200 without a call to the provider (25 ms, then 0 ms in the gateway)',
    '✓ refresh_token, REFRESH_TOKEN: 200 as well',
    '✓ Refresh-Token null: 401',
    '✓ a broken Refresh-Token: 401',
    '✓ a wrong password: 401',
    '✓ no credentials: 401',
  ])
})

// prettier-ignore
const faults: [fault: Fault, lines: string[]][] = [
  ['forgets', [
    '✗ the password again: 200 without a call to the provider: the provider was called again',
    '✗ Refresh-Token again: 200 without a call to the provider: the provider was called again',
  ]],
  ['keeps the access token', [
    '✗ Refresh-Token: 200, and the service receives new tokens: the access token is the old one',
  ]],
  ['lets all in', [
    '✗ Refresh-Token null: 401: the status is 200',
    '✗ a broken Refresh-Token: 401: the status is 200',
    '✗ a wrong password: 401: the status is 200',
    '✗ no credentials: 401: the status is 200',
  ]],
]
test.each(faults)('a gateway that %s is told so', async (fault, expected) => {
  const { holds, lines } = await verifyStub(fault)
  expect(holds).toBe(false)
  expect(lines.filter((line) => line.startsWith('✗'))).toEqual(expected)
})

// prettier-ignore
const losses: [fault: Fault, line: string][] = [
  ['sends no JWT',           'the service received no Bearer JWT'],
  ['sends no refresh token', 'the service received no Refresh-Token'],
]
test.each(losses)(
  'a gateway that %s is told so, and what needs the token as well',
  async (fault, reason) => {
    const { holds, lines } = await verifyStub(fault)
    expect(holds).toBe(false)
    expect(lines[0]).toEndWith(`: ${reason}`)
    expect(lines[2]).toEndWith(': there is no refresh token to send')
  },
)

test('a gateway that is not there fails every fact', async () => {
  const { proxyUrl, provider, stop } = startStub()
  await stop()
  const lines: string[] = []
  expect(await verify({ proxyUrl, provider, print: (line) => lines.push(line) })).toBe(false)
  expect(lines.filter((line) => line.startsWith('✗'))).toHaveLength(9)
})

test('no line shows a token, a password or a secret', async () => {
  for (const fault of [
    undefined,
    ...faults.map(([fault]) => fault),
    ...losses.map(([fault]) => fault),
  ]) {
    const { lines } = await verifyStub(fault)
    expect(lines.join('\n')).not.toMatch(/eyJ|doe|UNT3/)
  }
})

async function verifyStub(fault?: Fault) {
  const { proxyUrl, provider, stop } = startStub(fault)
  const lines: string[] = []
  const holds = await verify({ proxyUrl, provider, print: (line) => lines.push(line) })
  await stop()
  return { holds, lines }
}

/** A gateway and an echo in one, which remembers what it was asked as a token cache does. */
function startStub(fault?: Fault) {
  const known = new Map<string, number>()
  let calls = 0
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch({ headers }) {
      const refresh = headers.get('refresh-token') ?? headers.get('refresh_token')
      const basic = headers.get('authorization')
      const credential = refresh ?? basic ?? 'none'
      const good =
        refresh === null
          ? basic === `Basic ${btoa('alex:doe')}`
          : refresh === 'eyJ.refresh-12345678'
      if (!good && fault !== 'lets all in') return new Response(null, { status: 401 })
      const isKnown = known.has(credential) && fault !== 'forgets'
      if (!isKnown) known.set(credential, ++calls)
      const generation = fault === 'keeps the access token' ? 1 : known.get(credential)
      const token = fault === 'sends no JWT' ? 'opaque' : `eyJ.access.${generation}`
      const sent = { Authorization: `Bearer ${token}`, 'Refresh-Token': 'eyJ.refresh-12345678' }
      const seen = fault === 'sends no refresh token' ? { Authorization: sent.Authorization } : sent
      return Response.json(
        { headers: seen },
        { headers: { 'x-kong-proxy-latency': isKnown ? '0' : '25' } },
      )
    },
  })
  return {
    proxyUrl: `http://127.0.0.1:${server.port}`,
    provider: { calls: () => ({ token: calls }) },
    stop: () => server.stop(true),
  }
}
