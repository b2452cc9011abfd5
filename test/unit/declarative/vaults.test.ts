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
  ['{vault://other/secret}',             ''],
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
    const vaults = `vaults: [{ name: file, prefix: mounted, config: { prefix: ${directory} } }]`
    const secret = (path: string) => config(`secret: '{vault://mounted/${path}}'`, vaults).secret
    expect(secret('inside')).toBe('one')
    expect(secret('deep/json/key')).toBe('two')
    expect(config(`secret: '{vault://file/inside}'`, '', { file: directory }).secret).toBe('one')
    for (const path of ['../outside', '%2e%2e%2foutside/', 'nothing', 'deep/', 'large', 'a%00/'])
      expect(secret(path)).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

// prettier-ignore
test.each([
  ['{ name: env, prefix: env }',                                  'prefix: must not be one of: env, file'],
  ['{ name: env, prefix: 1a }',                                   'prefix: invalid value: 1a'],
  ['{ name: env, prefix: a }',                                    'prefix: invalid value: a'],
  ['{ name: hcv, prefix: my-vault }',                             'name: vaults of the kind hcv are not supported yet; env and file are'],
  ['{ name: x, prefix: my-vault }',                               "name: vault 'x' is not installed"],
  ['{ name: env, prefix: my-vault, config: { prefix: 1 } }',      'config.prefix: expected a string'],
  ['{ name: env, prefix: my-vault, config: { prefix: "a b" } }',  'config.prefix: invalid value: a b'],
  ['{ name: env, prefix: my-vault, config: { host: a } }',        'config.host: unknown field'],
])('the vault %s is refused: %s', (vault, message) => {
  const [fault] = load('', `vaults: [${vault}]`).faults ?? []
  expect(`${fault?.path}: ${fault?.message}`).toBe(`vaults[0].${message}`)
})
