import { describe, expect, test } from 'bun:test'
import type { RouterFlavor } from '../../../src/entities/route.ts'
import { printFaults } from '../../../src/declarative/faults.ts'
import { loadDeclarative } from '../../../src/declarative/load.ts'
import type { Plugin } from '../../../src/pdk.ts'
import type { CompatVersion } from '../../../src/schema/drift.ts'
import { array, boolean, record, string } from '../../../src/schema/field.ts'

const guard: Plugin = {
  name: 'guard',
  priority: 1,
  schema: record('A plugin.', {
    secret: string('A secret.', { referenceable: true, default: 'none' }),
    secrets: array('Secrets.', string('A secret.', { referenceable: true })),
    label: string('A label.'),
  }),
  warnings: () => [{ fields: ['label'], message: 'is not read yet' }],
  create: () => ({}),
}

function load(...texts: string[]) {
  const files = texts.map((text, i) => ({ name: `${'abc'[i]}.yaml`, text }))
  return loadDeclarative(files, { env: {}, plugins: new Map([['guard', guard as Plugin]]) })
}

function faults(...texts: string[]): string {
  return printFaults(load(...texts).faults ?? [])
}

function entities(...texts: string[]) {
  const loaded = load(...texts)
  if (loaded.faults) throw new Error(printFaults(loaded.faults))
  return loaded
}

const HEAD = '_format_version: "3.0"\n'

test("a plugin's config has its defaults, also without a config", () => {
  const { plugins } = entities(`${HEAD}plugins:\n- name: guard`).entities
  expect(plugins[0]?.config).toMatchObject({ secret: 'none' })
})

test('an entity is told where it stands', () => {
  const { place, entities: all } = entities(
    `${HEAD}plugins:\n  - name: guard`,
    `${HEAD}\nservices:\n\n  - host: a`,
  )
  expect([place(all.plugins[0]!), place(all.services[0]!)]).toEqual(['a.yaml:3', 'b.yaml:5'])
  expect(place({ id: 'of nobody' })).toBe('nowhere')
})

test("a plugin's warnings come with their place", () => {
  expect(entities(`${HEAD}plugins:\n  - name: guard`).warnings).toEqual([
    'a.yaml:3 plugins[0].config.label: is not read yet',
  ])
})

test('what is shared is told where it is written, once for all who use it', () => {
  const shared = (fields: string) => `${HEAD}_plugin_configs: { x: { ${fields} } }`
  const user = (more = '') => `- host: a\n  plugins: [{ name: guard, _config: x${more} }]\n`
  const users = `${HEAD}services:\n${user()}${user()}${user(', config: { label: [] }')}`
  expect(faults(shared('label: 1'), users).split('\n')).toEqual([
    'a.yaml:2:32 _plugin_configs.x.label: expected a string',
    'b.yaml:8:57 services[2].plugins[0].config.label: expected a string',
  ])
  expect(
    entities(shared("secrets: ['{vault://env/a}']"), `${HEAD}services:\n${user()}`).warnings[0],
  ).toStartWith('a.yaml:2 _plugin_configs.x.secrets[0]: {vault://env/a} could not be found')
  expect(entities(shared('label: a'), `${HEAD}services:\n${user()}${user()}`).warnings).toEqual([
    'a.yaml:2 _plugin_configs.x.label: is not read yet',
  ])
})

test('a plugin that is not there is left out where that is allowed and it guards nothing', () => {
  const text = `${HEAD}plugins:\n- name: datadog\n- name: guard\n- name: bot-detection`
  const outcome = (text: string, allowMissingPlugins: boolean) =>
    loadDeclarative([{ name: 'a.yaml', text }], {
      env: {},
      plugins: new Map([['guard', guard as Plugin]]),
      allowMissingPlugins,
    })
  const paths = (allowed: boolean) => outcome(text, allowed).faults?.map(({ path }) => path)
  expect(paths(false)).toEqual(['plugins[0].name', 'plugins[2].name'])
  expect(paths(true)).toEqual(['plugins[2].name'])
  const loaded = outcome(text.split('\n- name: bot')[0]!, true)
  if (loaded.faults) throw new Error(printFaults(loaded.faults))
  expect(loaded.entities.plugins.map(({ name }) => name)).toEqual(['guard'])
  expect(loaded.warnings[0]).toBe(
    'a.yaml:3 plugins[0].name: the plugin datadog is not there and is left out, as allowed',
  )
})

test('what has no name has the same id at each load, and its own', () => {
  const text = `${HEAD}services:\n- host: a\n  routes: [{ paths: [/a] }, { paths: [/b] }]\n- host: b\nroutes: [{ paths: [/c] }]`
  const ids = () => {
    const { services, routes } = entities(text).entities
    return [...services, ...routes].map(({ id }) => id)
  }
  expect(new Set(ids()).size).toBe(5)
  expect(ids()).toEqual(ids())
})

test('the id of a credential does not tell its key', () => {
  const idOf = (key: string) =>
    entities(`${HEAD}consumers:\n- username: alex\n  keyauth_credentials: [{ key: ${key} }]`)
      .entities.keyauth_credentials[0]!.id
  expect(idOf('one')).toBe(idOf('another'))
})

test('the faults of all files come at once, in the order of the files', () => {
  expect(
    faults(`${HEAD}services: [{ hots: a }]`, `${HEAD}routes: [{}]`)
      .split('\n')
      .map((line) => line.split(':')[0]),
  ).toEqual(['a.yaml', 'a.yaml', 'b.yaml'])
})

test('a file that cannot be read does not hide the faults of another, nor variables that are missing', () => {
  const text = faults(
    `${HEAD}services: [`,
    `${HEAD}x: \${{ env "DECK_A" }}\ny: \${{ env "DECK_B" }}`,
    'a: 1\na: 2',
  )
  expect(text).toContain('b.yaml:2: the environment variables DECK_A, DECK_B are not set')
  expect(text).toContain('a.yaml:2:11: the bracket')
  expect(text).toContain('c.yaml:2:1 a: the key is given twice')
})

test('all faults are printed, unless nobody would read them', () => {
  const printed = (count: number) =>
    faults(`${HEAD}services:\n${'- {}\n'.repeat(count)}`).split('\n')
  expect(printed(1000)).toHaveLength(1000)
  expect(printed(1001).at(-1)).toBe('… and 1 more faults')
})

test('names that JavaScript knows are names like others', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    expect(faults(`${HEAD}${name}: {}`)).toContain(`${name}: unknown field`)
    expect(faults(`${HEAD}services: [{ host: a, ${name}: {} }]`)).toContain(
      `services[0].${name}: unknown field`,
    )
    expect(faults(`${HEAD}plugins: [{ name: ${name} }]`)).toContain(`plugin '${name}' not enabled`)
    expect(faults(`${HEAD}routes: [{ paths: [/], service: ${name} }]`)).toContain('no such entry')
    expect(faults(`${HEAD}plugins: [{ name: guard, _config: ${name} }]`)).toContain(
      '_config: no such entry',
    )
  }
})

const DEEP = `${HEAD}services: ${'['.repeat(100_000)}${']'.repeat(100_000)}`
const LEVELS = 'abcdefghi'.split('')
const BOMB = LEVELS.map(
  (name, i) => `x${name}: &${name} [${`${i === 0 ? 'x' : `*${LEVELS[i - 1]}`},`.repeat(9)}]`,
).join('\n')

describe('a hostile file is refused in one sentence, at once', () => {
  // prettier-ignore
  test.each([
    ['binary',             'a: \u0000\u0001\u0002',                     'a.yaml: the file is not a text in UTF-8'],
    ['not UTF-8',          'a: \ufffd',                                 'a.yaml: the file is not a text in UTF-8'],
    ['empty',              '',                                          'a.yaml: the file is empty'],
    ['blank',              ' \n\t\n# a\n---\n',                         'a.yaml: the file is empty'],
    ['many blank lines',   '\n'.repeat(3_000_000),                      'a.yaml: the file is empty'],
    ['a text',             'hello',                                     'a.yaml: expected a map'],
    ['a number',           '1',                                         'a.yaml: expected a map'],
    ['very deep',          DEEP,                                        'a.yaml:2:109: nested deeper than 100 levels'],
    ['deep by lines',      Array.from({ length: 200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 'a.yaml:100:102: nested deeper'],
    ['an alias bomb',      `${HEAD}${BOMB}`,                            'a.yaml: aliases of this file'],
    ['a cycle',            `${HEAD}services: &a [*a]`,                  'a.yaml:2:15: the alias stands inside'],
    ['a cycle of maps',    `${HEAD}_info: &a { defaults: *a }`,         'a.yaml:2:23: the alias stands inside'],
    ['a cycle of merges',  `${HEAD}x: &a\n  <<: *a\n`,                   'a.yaml:3:7: the alias stands inside'],
    ['an entity in itself', `${HEAD}services:\n- &a\n  host: a\n  routes: [*a]`, 'a.yaml:5:12: the alias stands inside'],
    ['two merges',         `${HEAD}_comment: &a b\n_info:\n  <<: *a\n  <<: *a`,   'a.yaml:5:3 _info["<<"]: the key is given twice; write <<: [*one, *other]'],
    ['a blank line of tabs', `\t\n${HEAD}`,                              'a.yaml:1:1: a tab cannot indent'],
    ['a quote of megabytes', `${HEAD}a: "${'x'.repeat(5_000_000)}`,      'a.yaml:2:4: the quote that opens here is not closed'],
    ['tabs',               `${HEAD}a:\n${'\t'.repeat(1_000_000)}b`,       'a.yaml:3:1: a tab cannot indent'],
    ['keys twice in JSON', '{"_format_version":"3.0","a":1,"a":2}',      'a.yaml:1:32 a: the key is given twice'],
    ['many anchors',       HEAD + Array.from({ length: 10_000 }, (_, i) => `x${i}: &a${i} {}`).join('\n'), 'a.yaml:2:1 x0: unknown field'],
    ['very large',         'a'.repeat(64 * 1024 * 1024 + 1),            'a.yaml: the file is larger than 64 MiB'],
    ['templates',          '${{'.repeat(300_000),                       'a.yaml:1:1: a template that opens'],
    ['unknown keys',       Array.from({ length: 10_000 }, (_, i) => `k${i}: {}`).join('\n'), 'a.yaml:1:1 _format_version'],
    ['many faults',        `${HEAD}services:\n${'- {}\n'.repeat(10_000)}`, 'a.yaml:3:3 services[0].host: required field missing'],
    ['a key of lines',     `${HEAD}? [a, b]\n: c`,                      'a.yaml:2:3: keys and values in this form are not read'],
  ])('%s', (_, text, message) => {
    const started = process.cpuUsage()
    expect(faults(text)).toStartWith(message)
    // Microseconds of work: what others do on the machine does not count.
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000)
  })
})

describe('what an older Kong would have had otherwise', () => {
  const openid: Plugin = {
    name: 'openid-connect',
    priority: 1,
    schema: record('A plugin.', {
      hide_credentials: boolean('Whether.', { default: true }),
      ssl_verify: boolean('Whether.', { default: true }),
      redis: record('Redis.', { host: string('A host.', { default: '127.0.0.1' }) }),
    }),
    create: () => ({}),
  }
  const differences = (config: string, compat: CompatVersion) => {
    const text = `${HEAD}plugins:\n- name: openid-connect\n  config: ${config}`
    const loaded = loadDeclarative([{ name: 'a.yaml', text }], {
      env: {},
      plugins: new Map([['openid-connect', openid]]),
      compat,
    })
    if (loaded.faults) throw new Error(printFaults(loaded.faults))
    return loaded.differences()
  }

  test('is told with its place', () => {
    expect(differences('{ redis: {} }', '3.15')).toEqual(
      [
        'a.yaml:3 plugins[0].config: redis.host is "127.0.0.1" by default; before 3.9 Kong had nothing',
        'a.yaml:3 plugins[0].config: hide_credentials, ssl_verify are true by default; before 3.14 Kong had false',
      ].toReversed(),
    )
  })

  test('is not what somebody wrote, nor what was already so', () => {
    expect(differences('{ ssl_verify: true, hide_credentials: true }', '3.15')).toEqual([])
    expect(differences('{}', '3.13')).toEqual([])
  })
})

test('a key that nobody knows is told', () => {
  const text = `${HEAD}consumers:\n- username: alex\n  keyauth_credentials: [{}]`
  expect(entities(text).warnings).toEqual([
    'a.yaml:4 consumers[0].keyauth_credentials[0].key: is drawn at each load, since none is given; nobody knows it',
  ])
})

test('an expression is refused where the router does not read it', () => {
  const text = `${HEAD}routes:\n- expression: http.path == "/a"\n  priority: 1`
  const paths = (routerFlavor: RouterFlavor) =>
    loadDeclarative([{ name: 'a.yaml', text }], {
      env: {},
      plugins: new Map(),
      routerFlavor,
    }).faults?.map(({ path, message }) => `${path}: ${message}`)
  expect(paths('expressions')).toBeUndefined()
  expect(paths('traditional')).toEqual([
    'routes[0].expression: unknown field',
    'routes[0].priority: unknown field',
  ])
})

test('regexes are read as the router of the flavour reads them', () => {
  const route =
    'paths: ["~/a*+b", "~/[a--]", "~/a+b"], headers: { x-a: ["~*a*+b"], x-b: ["~*a*+b", c] }'
  const faults = (routerFlavor: RouterFlavor) =>
    loadDeclarative([{ name: 'a.yaml', text: `${HEAD}routes: [{ ${route} }]` }], {
      env: {},
      plugins: new Map(),
      routerFlavor,
    }).faults?.map(({ path, message }) => `${path}: ${message}`)
  expect(faults('traditional_compatible')).toBeUndefined()
  expect(faults('traditional')).toEqual([
    expect.stringMatching(/^routes\[0\]\.paths\[0\]: invalid regex: '\/a\*\+b' \(/),
    expect.stringMatching(/^routes\[0\]\.paths\[1\]: invalid regex: '\/\[a--\]' \(/),
    expect.stringMatching(/^routes\[0\]\.headers\.x-a\[0\]: invalid regex: 'a\*\+b' \(/),
  ])
})

test('a plugin that the setting leaves out is told so, and one that is nowhere is guessed', () => {
  const told = (name: string, plugins: ReadonlyMap<string, Plugin>) =>
    loadDeclarative([{ name: 'a.yaml', text: `${HEAD}plugins: [{ name: ${name} }]` }], {
      env: {},
      plugins,
      bundled: new Map([['guard', guard]]),
    }).faults?.map(({ hint }) => hint)
  expect(told('guard', new Map())).toEqual(['KONG_PLUGINS enables none'])
  expect(told('guard', new Map([['other', guard]]))).toEqual(['KONG_PLUGINS enables other'])
  expect(told('gaurd', new Map())).toEqual(['did you mean "guard"?'])
})

test('a key whose time is over is told', () => {
  const ttl = (seconds: number) =>
    `${HEAD}consumers: [{ username: a, keyauth_credentials: [{ key: k, ttl: ${seconds} }] }]`
  const over = 'is a moment, in seconds since 1970, that is over: the key is refused'
  expect(entities(ttl(3600)).warnings).toEqual([
    `a.yaml:2 consumers[0].keyauth_credentials[0].ttl: ${over}`,
  ])
  expect(entities(ttl(4_000_000_000)).warnings).toEqual([])
})

test('the plugins that there are are listed once', () => {
  const [first = '', second = ''] = faults(`${HEAD}plugins: [{ name: foo }, { name: bar }]`).split(
    '\n',
  )
  expect(first).toEndWith('; known are: guard')
  expect(second).toEndWith("'plugins' configuration property")
})

test('an ordering by a plugin that nobody knows is told', () => {
  const ordering = '{ before: { access: [guard, gaurd] }, after: { access: [nope] } }'
  const text = `${HEAD}plugins: [{ name: guard, ordering: ${ordering} }]`
  expect(entities(text).warnings.filter((each) => each.includes('ordering'))).toEqual([
    'a.yaml:2 plugins[0].ordering.before.access[1]: there is no plugin gaurd, so nothing is ordered by it; did you mean "guard"?',
    'a.yaml:2 plugins[0].ordering.after.access[0]: there is no plugin nope, so nothing is ordered by it',
  ])
})

test('v1 is said to be taken for v0 where the router takes it so', () => {
  const warnings = (routerFlavor: RouterFlavor) => {
    const text = `${HEAD}routes: [{ paths: [/a], path_handling: v1 }]`
    const loaded = loadDeclarative([{ name: 'a.yaml', text }], {
      env: {},
      plugins: new Map(),
      routerFlavor,
    })
    return loaded.faults ?? loaded.warnings
  }
  expect(warnings('traditional')).toEqual([])
  expect(warnings('traditional_compatible')).toHaveLength(1)
})

test('a certificate that is written where its name belongs is not told', () => {
  const certificate = '{ cert: a, key: secret, id: { key: secret } }'
  const text = faults(
    `${HEAD}services: [{ url: https://a.test, client_certificate: ${certificate} }]`,
  )
  expect(text).toContain('no such entry')
  expect(text).not.toContain('secret')
})

test('a password is hashed unless the file says that it is one already', () => {
  const owner = '11111111-1111-4111-8111-111111111111'
  const text = (transform: boolean) =>
    `${HEAD}_transform: ${transform}\nconsumers:\n- id: ${owner}\n  username: alex\n  basicauth_credentials: [{ username: alex, password: secret }]`
  const password = (transform: boolean) =>
    entities(text(transform)).entities.basicauth_credentials[0]!.password
  expect(password(false)).toBe('secret')
  expect(password(true)).toBe(new Bun.CryptoHasher('sha256').update(`secret${owner}`).digest('hex'))
})

test('the same server twice in one upstream is a fault, in two it is not', () => {
  const twice = 'targets: [{ target: "a:80" }, { target: "a:80" }]'
  expect(faults(`${HEAD}upstreams: [{ name: one, ${twice} }]`)).toContain(
    "upstreams[0].targets[1]: uniqueness violation: 'targets' entity with primary key set to",
  )
  const once = 'targets: [{ target: "a:80" }]'
  const both = `${HEAD}upstreams: [{ name: one, ${once} }, { name: two, ${once} }]`
  expect(entities(both).entities.targets.length).toBe(2)
})
