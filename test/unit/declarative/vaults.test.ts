import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { printFaults } from '../../../src/declarative/faults.ts'
import { loadDeclarative } from '../../../src/declarative/load.ts'
import type { Plugin } from '../../../src/pdk.ts'
import { array, integer, map, record, string } from '../../../src/schema/field.ts'

const guard: Plugin = {
  name: 'guard',
  priority: 1,
  schema: record(
    'A plugin.',
    {
      secret: string('A secret.', { referenceable: true, encrypted: true }),
      secrets: array('Secrets.', string('A secret.', { referenceable: true })),
      named: map('Secrets.', string('A secret.', { referenceable: true })),
      port: integer('A port.', { referenceable: true, between: [1, 65535] }),
      mode: string('A mode.', { referenceable: true, one_of: ['a', 'b'] }),
      host: string('A host.', {
        referenceable: true,
        custom: (value: string) => (value.includes(' ') ? `bad host ${value}` : undefined),
      }),
      label: string('A label.'),
    },
    {},
    {
      shorthands: {
        old_secret: {
          field: string('An older name.', { referenceable: true }),
          expand: (value: string) => ({ secret: value }),
        },
      },
    },
  ),
  create: () => ({}),
}

const env = {
  SECRET: 'of the environment',
  SECRET_PREVIOUS: 'of yesterday',
  MY_SECRET: 'with a prefix',
  JSON_VALUE: '{"user":"alex","number":1}',
  PORT: '8080',
  BAD: 'has blanks',
  CODED: 'b2YgdGhlIGVudmlyb25tZW50',
  BAD_CODE: 'one!',
}

function load(config: string, vaults = '', prefixes = {}) {
  const text = `_format_version: "3.0"\n${vaults}\nplugins:\n- name: guard\n  config: { ${config} }`
  return loadDeclarative([{ name: 'kong.yaml', text }], {
    env,
    plugins: new Map([['guard', guard]]),
    vaults: prefixes,
  })
}

function config(...args: Parameters<typeof load>) {
  const loaded = load(...args)
  if (loaded.faults) throw new Error(printFaults(loaded.faults))
  return loaded.entities.plugins[0]!.config as Record<string, unknown>
}

const OWN = 'vaults: [{ name: env, prefix: my-env, config: { prefix: my- } }]'

// prettier-ignore
test.each([
  ['{vault://env/secret}',               'of the environment'],
  ['{vault://env/SECRET}',               'of the environment'],
  ['{vault://env/secret#2}',             'of yesterday'],
  ['{vault://env/secret#1}',             'of the environment'],
  ['{vault://env/secret?prefix=my_}',    'with a prefix'],
  ['{vault://env/json-value/user}',      'alex'],
  ['{vault://my-env/secret}',            'with a prefix'],
  ['{vault://env/json-value/number}',    ''],
  ['{vault://env/json-value/password}',  ''],
  ['{vault://env/secret/user}',          ''],
  ['{vault://env/nothing}',              ''],
  ['{vault://env/}',                     ''],
  ['{vault://env/%}',                    ''],
  ['{vault://env/__proto__}',            ''],
])('%s is %p', (reference, value) => {
  const loaded = load(`secret: '${reference}'`, OWN)
  if (loaded.faults) throw new Error(printFaults(loaded.faults))
  expect((loaded.entities.plugins[0]!.config as { secret: string }).secret).toBe(value)
  expect(loaded.warnings).toEqual(
    value === ''
      ? [`kong.yaml:5 plugins[0].config.secret: ${reference} could not be found, so the value is empty`]
      : [],
  )
})

test('a reference is one wherever the schema lets a field hold it, and text elsewhere', () => {
  const reference = '{vault://env/secret}'
  expect(
    config(
      `secrets: [x, '${reference}'], named: { a: '${reference}' }, label: '${reference}', port: '{vault://env/port}'`,
    ),
  ).toMatchObject({
    secrets: ['x', env.SECRET],
    named: { a: env.SECRET },
    label: reference,
    port: 8080,
  })
  expect(config(`old_secret: '${reference}'`)).toMatchObject({ secret: env.SECRET })
})

test('the vault of the environment is in Base64 where the setting says so', () => {
  const settings = { env: { base64_decode: true } }
  expect(config("secret: '{vault://env/coded}'", '', settings).secret).toBe('of the environment')
  expect(config("secret: '{vault://env/bad-code}'", '', settings).secret).toBe('')
})

test('a reference where a field takes none is text, and that is said', () => {
  const reference = "'{vault://env/secret}'"
  const loaded = load(
    `label: ${reference}`,
    `consumers: [{ username: a, keyauth_credentials: [{ key: ${reference} }] }]`,
  )
  expect(loaded.faults ?? loaded.warnings).toEqual(
    ['2 consumers[0].keyauth_credentials[0].key', '5 plugins[0].config.label'].map(
      (place) =>
        `kong.yaml:${place}: is taken as it is written, as in Kong: it takes no references to vaults`,
    ),
  )
})

test('what a vault gave is not told where it does not fit', () => {
  for (const field of ['mode', 'host', 'port']) {
    expect(printFaults(load(`${field}: '{vault://env/bad}'`).faults ?? [])).toBe(
      `kong.yaml:5:${15 + field.length} plugins[0].config.${field}: the value of this reference cannot stand here`,
    )
  }
})

test('a vault of files gives what a file of its directory holds, and nothing outside of it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vault-'))
  try {
    const directory = join(folder, 'secrets')
    mkdirSync(join(directory, 'deep'), { recursive: true })
    writeFileSync(join(folder, 'outside'), 'of somebody else')
    writeFileSync(join(directory, 'inside'), 'one\n')
    writeFileSync(join(directory, 'deep', 'json'), '{"key":"two"}')
    writeFileSync(join(directory, 'large'), 'x'.repeat(2 * 1024 * 1024))
    const vaults = `vaults: [{ name: fs, prefix: mounted, config: { prefix: ${directory} } }]`
    const secret = (path: string) => config(`secret: '{vault://mounted/${path}}'`, vaults).secret
    expect(secret('inside')).toBe('one')
    expect(secret('deep/json/key')).toBe('two')
    expect(secret('deep/json')).toBe('{"key":"two"}')
    expect(config(`secret: '{vault://fs/inside}'`, '', { fs: { prefix: directory } }).secret).toBe(
      'one',
    )
    for (const path of [
      '../outside',
      'deep/../../outside',
      '%2e%2e%2foutside/',
      'nothing',
      'deep/',
      'large',
      'a%00/',
    ])
      expect(secret(path)).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a vault of files in Base64 gives what they mean', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vault-'))
  try {
    writeFileSync(join(folder, 'good'), 'b25l\n')
    writeFileSync(join(folder, 'bad'), 'one!')
    const vaults = `vaults: [{ name: fs, prefix: coded, config: { prefix: ${folder}, base64_decode: true, ttl: 60 } }]`
    expect(config("secret: '{vault://coded/good}'", vaults).secret).toBe('one')
    const loaded = load("secret: '{vault://coded/bad}'", vaults)
    expect(loaded.faults ?? loaded.warnings).toEqual([
      'kong.yaml:2 vaults[0].config.ttl: has no effect: each load reads the secrets anew',
      'kong.yaml:5 plugins[0].config.secret: {vault://coded/bad} could not be found, so the value is empty',
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

// prettier-ignore
test.each([
  ['{vault://aws/x}',      'vault aws is not supported; env and fs are'],
  ['{vault://hcv/x/y}',    'vault hcv is not supported; env and fs are'],
  ['{vault://file/x}',     'vault file is not supported; env and fs are'],
  ['{vault://other/x}',    'no vault has the prefix other; declare it in vaults'],
  ['{vault://fs/x}',       'the vault fs has no directory; set KONG_VAULT_FS_PREFIX, or declare a vault with a config.prefix'],
])('%s is a fault: %s', (reference, message) => {
  for (const field of ['secret', 'mode', 'host'])
    expect(printFaults(load(`${field}: '${reference}'`).faults ?? [])).toBe(
      `kong.yaml:5:${15 + field.length} plugins[0].config.${field}: ${message}`,
    )
})

test('of a vault with a fault, references say nothing more', () => {
  const vaults = 'vaults: [{ name: aws, prefix: aws-prod }]'
  const faults = load("secret: '{vault://aws-prod/x}'", vaults).faults ?? []
  expect(faults.map(({ path }) => path)).toEqual(['vaults[0].name'])
})

// prettier-ignore
test.each([
  ['{ name: fs, prefix: my-vault }',                              'config.prefix: required field missing'],
  ['{ name: fs, prefix: my-vault, config: { prefix: secrets } }', 'config.prefix: expected the path of a directory, from /'],
  ['{ name: env, prefix: my-vault, config: { ttl: 1 } }',         'config.ttl: unknown field'],
  ['{ name: env, prefix: env }',                                  'prefix: must not be one of: env, fs'],
  ['{ name: env, prefix: 1a }',                                   'prefix: invalid value: 1a'],
  ['{ name: env, prefix: a }',                                    'prefix: invalid value: a'],
  ['{ name: hcv, prefix: my-vault }',                             'name: vaults of the kind hcv are not supported yet; env and fs are'],
  ['{ name: x, prefix: my-vault }',                               "name: vault 'x' is not installed; the name is its kind, env or fs, and the prefix what references call it"],
  ['{ name: env, prefix: my-vault, config: { prefix: 1 } }',      'config.prefix: expected a string'],
  ['{ name: env, prefix: my-vault, config: { prefix: "a b" } }',  'config.prefix: invalid value: a b'],
  ['{ name: env, prefix: my-vault, config: { host: a } }',        'config.host: unknown field'],
])('the vault %s is refused: %s', (vault, message) => {
  const [fault] = load('', `vaults: [${vault}]`).faults ?? []
  expect(`${fault?.path}: ${fault?.message}`).toBe(`vaults[0].${message}`)
})
