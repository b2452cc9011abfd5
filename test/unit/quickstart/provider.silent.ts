// Run by provider.test.ts in a process of its own: it must print nothing.

import { CLIENT, startProvider, USER } from '../../../src/quickstart/provider.ts'

const { issuer, stop } = await startProvider({ port: 0, rotate: true })
const client = { client_id: CLIENT.id, client_secret: CLIENT.secret }
const endpoints = `${issuer}/protocol/openid-connect`
const post = async (path: string, form: Record<string, string>, headers = {}) => {
  const body = new URLSearchParams({ ...client, ...form })
  const answer = await fetch(endpoints + path, { method: 'POST', body, headers })
  return answer.json().catch(() => ({})) as Promise<{ access_token: string; refresh_token: string }>
}

await fetch(`${issuer}/.well-known/openid-configuration`)
await fetch(`${endpoints}/certs`)
const password = { grant_type: 'password', username: USER.name, scope: 'openid' }
const tokens = await post('/token', { ...password, password: USER.password })
await post('/token', { ...password, password: 'wrong' }, { accept: 'text/html' })
await post('/token', { ...password, password: 'wrong' }, { origin: 'http://other.example' })
await post('/token', { grant_type: 'client_credentials' })
for (let times = 0; times < 2; times++) {
  await post('/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
}
await post('/token/introspect', { token: tokens.access_token })
await post('/revoke', { token: tokens.access_token })
await fetch(`${endpoints}/userinfo`, {
  headers: { authorization: `Bearer ${tokens.access_token}`, origin: 'http://other.example' },
})
await fetch(`${endpoints}/auth`, { headers: { accept: 'text/html' } })
await fetch(`${endpoints}/auth?client_id=kong&response_type=code`)
await fetch(`${endpoints}/logout`)
await fetch(`${endpoints}/logout/confirm`, { method: 'POST' })
await fetch(`${endpoints}/token`, {
  method: 'POST',
  body: '{}',
  headers: { 'content-type': 'application/json' },
})
await stop()
