import { expect, setDefaultTimeout, test } from 'bun:test'
import { basic, Connection } from './client.ts'
import { gatewayOf, openidConnect } from './entities.ts'
import { Gatehouse } from './gatehouse.ts'
import { json, Provider, type Reply } from './provider.ts'
import { Service } from './service.ts'
import { until } from './until.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(30_000)

/** How long it goes on; milliseconds. */
const DURATION = 5_000
const USERS = ['alex', 'sam', 'kim']

/** A provider whose refresh tokens work once, whose access tokens live for a second, and who takes its time. */
class Rotating extends Provider {
  readonly used: string[] = []
  /** Refresh tokens that came a second time. */
  readonly reused: string[] = []

  constructor() {
    super()
    this.replies.token = ({ form }): Reply => {
      const reply = this.#redeem(form.get('refresh_token'))
      return (socket) => void setTimeout(() => socket.write(reply), Math.random() * 100)
    }
  }

  #redeem(presented: string | null): string {
    if (presented !== null && this.used.includes(presented)) {
      this.reused.push(presented)
      return json({ error: 'invalid_grant' }, 400)
    }
    if (presented !== null) this.used.push(presented)
    return json(this.tokenSet({ expires_in: 1 }))
  }
}

test('whatever is presented, whenever: every request passes, and no refresh token is used twice', async () => {
  using provider = new Rotating()
  using service = new Service()
  const config = gatewayOf(service.url, openidConnect(provider.issuer))
  await using gatehouse = await Gatehouse.start({ config, settings: ['proxy_access_log = off'] })
  const end = performance.now() + DURATION
  const isOn = () => performance.now() < end
  const statuses: Record<string, number> = {}
  const known: string[] = []

  const workers = Array.from({ length: 20 }, async () => {
    using connection = await Connection.open(gatehouse.port)
    while (isOn()) {
      // The newest tokens are the ones of interest: somebody else presents them at the same moment.
      const recent = known.slice(-30)
      const token = recent[Math.floor(Math.random() * recent.length * 2)]
      const user = USERS[Math.floor(Math.random() * USERS.length)]!
      const fields = [token === undefined ? basic(user, 'doe') : `Refresh-Token: ${token}`]
      const { status, body } = await connection.request({ fields })
      statuses[status] = (statuses[status] ?? 0) + 1
      const got: string | undefined = JSON.parse(body).headers?.['Refresh-Token']
      if (got !== undefined && !known.includes(got)) known.push(got)
    }
  })
  const reloads = (async () => {
    while (isOn()) {
      await gatehouse.reload(config)
      // The next one comes while a call is under way.
      const before = provider.used.length
      await until('the next call', () => provider.used.length > before || !isOn())
    }
  })()
  await Promise.all([...workers, reloads])

  expect(provider.reused).toEqual([])
  expect(Object.keys(statuses)).toEqual(['200'])
  expect(statuses['200']).toBeGreaterThan(500)
  expect(provider.used.length).toBeGreaterThan(10)
})
