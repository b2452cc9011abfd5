import { request } from 'node:http'
import { type DevelopmentProvider, USER } from './provider.ts'

/** What is verified, and where to say so. */
export interface Verification {
  /** Where the proxy listens, as `http://localhost:8000`. */
  readonly proxyUrl: string
  readonly provider: Pick<DevelopmentProvider, 'calls'>
  print(line: string): unknown
}

/**
 * Does the how-to as a client would and prints a line for each fact, `✓` or `✗` with the reason. Gives whether all
 * of them hold; never throws.
 */
export async function verify({ proxyUrl, provider, print }: Verification): Promise<boolean> {
  const client = createClient(`${proxyUrl}/anything`, provider)
  let holds = true
  for (const [fact, attempt] of FACTS) {
    try {
      const detail = await attempt(client)
      print(`✓ ${fact}${detail ? ` (${detail})` : ''}`)
    } catch (fault) {
      holds = false
      print(`✗ ${fact}: ${fault instanceof Error ? fault.message : fault}`)
    }
  }
  return holds
}

const PASSWORD = { authorization: basic(USER.password) }

/** In their order: the later ones use the refresh token of the first. */
const FACTS: [fact: string, attempt: (client: Client) => Promise<string | void>][] = [
  [
    'the password: 200, and the service receives a Bearer JWT and a Refresh-Token',
    async (client) => {
      client.first = tokensIn(await client.get(PASSWORD))
    },
  ],
  [
    'the password again: 200 without a call to the provider',
    (client) => client.getWithoutCall(PASSWORD),
  ],
  [
    'Refresh-Token: 200, and the service receives new tokens',
    async (client) => {
      const { accessToken } = tokensIn(await client.get({ 'Refresh-Token': refreshToken(client) }))
      if (accessToken === client.first?.accessToken)
        throw new Error('the access token is the old one')
    },
  ],
  [
    'Refresh-Token again: 200 without a call to the provider',
    (client) => client.getWithoutCall({ 'Refresh-Token': refreshToken(client) }),
  ],
  [
    'refresh_token, REFRESH_TOKEN: 200 as well',
    async (client) => {
      tokensIn(await client.get({ refresh_token: refreshToken(client) }))
      tokensIn(await client.get({ REFRESH_TOKEN: refreshToken(client) }))
    },
  ],
  ['Refresh-Token null: 401', (client) => client.getRefused({ 'Refresh-Token': 'null' })],
  [
    'a broken Refresh-Token: 401',
    (client) => client.getRefused({ 'Refresh-Token': broken(refreshToken(client)) }),
  ],
  [
    'a wrong password: 401',
    (client) => client.getRefused({ authorization: basic(`not-${USER.password}`) }),
  ],
  ['no credentials: 401', (client) => client.getRefused({})],
]

interface Client {
  /** What the first login gave. */
  first: Tokens | undefined
  get(headers: Record<string, string>): Promise<Answer>
  /** Asks what was asked before; gives how long the gateway took then and now. Throws if the provider was called. */
  getWithoutCall(headers: Record<string, string>): Promise<string>
  /** Throws unless the answer is 401. */
  getRefused(headers: Record<string, string>): Promise<void>
}

interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string
}

interface Answer {
  readonly status: number
  readonly body: string
  /** Kong's `X-Kong-Proxy-Latency`, in milliseconds. */
  readonly latency: string | undefined
}

function createClient(url: string, provider: Verification['provider']): Client {
  const calls = () => Object.values(provider.calls()).reduce((sum, count) => sum + count, 0)
  let latency: string | undefined
  const get = async (headers: Record<string, string>) => {
    const answer = await send(url, headers)
    latency = answer.latency
    return answer
  }
  return {
    first: undefined,
    get,
    async getWithoutCall(headers) {
      const before = { calls: calls(), latency }
      tokensIn(await get(headers))
      if (calls() > before.calls) throw new Error('the provider was called again')
      return `${before.latency ?? '?'} ms, then ${latency ?? '?'} ms in the gateway`
    },
    async getRefused(headers) {
      const { status } = await get(headers)
      if (status !== 401) throw new Error(`the status is ${status}`)
    },
  }
}

/** What the echo saw of tokens. Throws where there are none; the message says what is amiss and shows none. */
function tokensIn({ status, body }: Answer): Tokens {
  if (status !== 200) throw new Error(`the status is ${status}`)
  const { headers } = JSON.parse(body) as { headers: Record<string, string | undefined> }
  const [, accessToken] =
    /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(headers.Authorization ?? '') ?? []
  const refreshToken = headers['Refresh-Token']
  if (!accessToken) throw new Error('the service received no Bearer JWT')
  if (!refreshToken) throw new Error('the service received no Refresh-Token')
  return { accessToken, refreshToken }
}

function refreshToken({ first }: Client): string {
  if (!first) throw new Error('there is no refresh token to send')
  return first.refreshToken
}

function broken(token: string): string {
  return `${token.slice(0, -8)}brokenXX`
}

function basic(password: string): string {
  return `Basic ${btoa(`${USER.name}:${password}`)}`
}

/** node:http, because `fetch` would follow `HTTP_PROXY` even to this machine, and merge the spellings of a header. */
function send(url: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, agent: false, timeout: 10_000 }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          latency: incoming.headers['x-kong-proxy-latency']?.toString(),
        }),
      )
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 10 seconds')))
    outgoing.on('error', reject)
    outgoing.end()
  })
}
