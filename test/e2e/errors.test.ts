import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { basic, request } from './client.ts'
import { gatewayOf, openidConnect } from './entities.ts'
import { Folder } from './folder.ts'
import { Gatehouse, run } from './gatehouse.ts'
import { asNobody } from './nobody.ts'
import { answer, hang, json, Provider, type Reply } from './provider.ts'
import { Service } from './service.ts'

// A machine that is busy with other things is no fault.
setDefaultTimeout(20_000)

const golden = join(import.meta.dir, 'errors.golden.txt')
/** The repository's own file, which is the how-to's. */
const HOW_TO = await Bun.file(join(import.meta.dir, '..', '..', 'kong.yaml')).text()
const DECK = {
  DECK_ISSUER: 'http://localhost:8080/realms/master',
  DECK_CLIENT_ID: 'kong',
  DECK_CLIENT_SECRET: 'secret',
}

interface Case {
  readonly title: string
  /** What the user sees of it. */
  see(): Promise<string>
}

/** What `gatehouse start` says of a file, or of settings, that it cannot start with. */
function start(title: string, file: string | undefined, env: Record<string, string> = DECK): Case {
  return {
    title,
    async see() {
      using folder = new Folder(file === undefined ? {} : { 'kong.yaml': file })
      const around = {
        cwd: folder.path,
        env: { KONG_PROXY_LISTEN: '127.0.0.1:0', KONG_STATUS_LISTEN: 'off', ...env },
      }
      const ended = await run(['start', '-c', 'kong.yaml'], around)
      expect([ended.code, ended.stdout]).toEqual([1, ''])
      return ended.stderr
    },
  }
}

/** What `gatehouse start` says to a user who has no right to what is in `locked` of a folder. */
function forbidden(title: string, word: string, env: Record<string, string> = {}): Case {
  return {
    title,
    async see() {
      using folder = new Folder({ 'kong.yaml': HOW_TO, 'locked/kong.yaml': HOW_TO })
      chmodSync(join(folder.path, 'locked'), 0)
      const ended = await run(['start', '-c', word], {
        cwd: folder.path,
        env: { ...DECK, KONG_PROXY_LISTEN: '127.0.0.1:0', KONG_STATUS_LISTEN: 'off', ...env },
        ...asNobody(folder),
      })
      chmodSync(join(folder.path, 'locked'), 0o755)
      expect([ended.code, ended.stdout]).toEqual([1, ''])
      return ended.stderr
    },
  }
}

/** What the log says of a login that a provider made impossible. */
function login(
  title: string,
  replies: { discovery?: Reply; token?: Reply },
  changes: object = {},
): Case {
  return {
    title,
    async see() {
      using provider = new Provider(
        Object.fromEntries(Object.entries(replies).map(([name, reply]) => [name, () => reply])),
      )
      using service = new Service()
      const config = openidConnect(provider.issuer, { timeout: 1_000, ...changes })
      await using gatehouse = await Gatehouse.start({ config: gatewayOf(service.url, config) })
      const { status, headers } = await request(gatehouse.port, { fields: [basic('alex', 'doe')] })
      expect(status).toBe(401)
      const line = await gatehouse.logged(new RegExp(`request_id=${headers['x-kong-request-id']}`))
      return `${line.replace(/^\S+ \S+ /, '')}\n`
    },
  }
}

const refused = (error: string, description: string, status = 401) => ({
  token: json({ error, error_description: description }, status),
})

// prettier-ignore
const CASES: readonly Case[] = [
  start('a file that is not there', undefined),
  forbidden('a file that may not be read', 'locked/kong.yaml'),
  forbidden('a folder that may not be read', 'locked'),
  forbidden('a log that may not be written', 'kong.yaml', { KONG_PROXY_ERROR_LOG: 'locked/error.log' }),
  start('a log in a folder that is not there', HOW_TO, { ...DECK, KONG_PROXY_ACCESS_LOG: 'logs/access.log' }),
  { title: 'no file at all', see: async () => (await run(['start'])).stderr },
  { title: 'a misspelled command', see: async () => (await run(['strat'])).stderr },
  start('variables that are not set', HOW_TO, {}),
  start('one variable that is not set', HOW_TO, { DECK_ISSUER: 'x', DECK_CLIENT_ID: 'x' }),
  start('a variable that a file may not read', HOW_TO.replace('DECK_ISSUER', 'HOME')),
  start('a misspelled field', HOW_TO.replace('client_secret:', 'client_secrets:')),
  start('a value of the wrong type', HOW_TO.replace(/client_id:\n *- /, 'client_id: ')),
  start('a value that is none of those there are', HOW_TO.replace('- refresh_token\n', '- refresh_tokens\n')),
  start('a plugin that does not exist', HOW_TO.replace('openid-connect', 'openid-conect')),
  start('a service that does not exist', HOW_TO.replace('  - name: openid-connect\n    service: example-service', '  - name: openid-connect\n    service: exampel-service')),
  start('an entity of Kong that is not supported yet', `${HOW_TO}filter_chains:\n  - name: f\n`),
  start('a guard that other fields leave without effect', `${HOW_TO}      proof_of_possession_dpop: strict\n`),
  start('YAML that is broken', HOW_TO.replace('- "/anything"', '- "/anything')),
  start('a tab in YAML', HOW_TO.replace('    paths:', '\tpaths:')),
  start('a key that stands twice', HOW_TO.replace('    paths:', '    name: again\n    paths:')),
  start('no format version', HOW_TO.replace('_format_version: "3.0"\n', '')),
  start('a setting that does not work yet', HOW_TO, { ...DECK, KONG_PROXY_LISTEN: '0.0.0.0:8443 quic' }),
  {
    title: 'a port that is in use',
    async see() {
      using taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
      return await start('', HOW_TO, { ...DECK, KONG_PROXY_LISTEN: `127.0.0.1:${taken.port}` }).see()
    },
  },
  {
    title: 'a service whose name is not known',
    async see() {
      await using gatehouse = await Gatehouse.start({ config: gatewayOf('http://no-such-name.invalid') })
      const { status, headers } = await request(gatehouse.port)
      expect(status).toBe(503)
      const line = await gatehouse.logged(new RegExp(`request_id=${headers['x-kong-request-id']}`))
      return `${line.replace(/^\S+ \S+ /, '')}\n`
    },
  },
  login('a provider that is not running', {}, { issuer: 'http://localhost:9/realms/master' }),
  login('host.docker.internal, outside of Docker', {}, { issuer: 'http://host.docker.internal:8080/realms/master' }),
  login('a provider that does not answer', { discovery: hang }),
  login('a page in place of the discovery document', { discovery: answer(200, 'text/html; charset=utf-8', '<!doctype html>') }),
  login('a realm that does not exist', { discovery: json({ error: 'Realm does not exist' }, 404) }),
  login('a provider that fails', { token: json({ error: 'unknown_error' }, 500) }),
  login('invalid_client', refused('invalid_client', 'Invalid client or Invalid client credentials')),
  login('unauthorized_client', refused('unauthorized_client', 'Client not allowed for direct access grants', 400)),
  login('invalid_scope', refused('invalid_scope', 'Invalid scopes: openid x', 400)),
  login('a wrong password', refused('invalid_grant', 'Invalid user credentials')),
]

describe('what goes wrong is told with what to do about it', () => {
  const seen = new Map<string, string>()

  test.each(CASES.map((each) => [each.title, each] as const))('%s', async (title, { see }) => {
    const text = plain(await see())
    seen.set(title, text)
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(3)
    expect(text).not.toMatch(/ at .*\.ts:\d+/)
  })

  test('in the words of errors.golden.txt', async () => {
    const text = CASES.map(({ title }) => `# ${title}\n${seen.get(title)}`).join('\n')
    if (process.env.GOLDEN === 'write') await Bun.write(golden, text)
    expect(text).toBe(await Bun.file(golden).text())
  })
})

/** Without what is different each time. */
function plain(text: string): string {
  return text
    .replace(/\(looked in \S+\)/, '(looked in <folder>)')
    .replace(/request_id=\w+/, 'request_id=<id>')
    .replace(/(?<=127\.0\.0\.1:|port )\d{4,5}/g, '<port>')
}
