import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import type { Plugin } from '../../../src/pdk.ts'
import { plugins } from '../../../src/plugins/index.ts'
import { check } from '../../../src/schema/check.ts'
import {
  COMPAT_VERSIONS,
  type CompatVersion,
  driftOf,
  withDefaultsOf,
} from '../../../src/schema/drift.ts'
import { array, boolean, type Field, record, string } from '../../../src/schema/field.ts'

const DRIFT = `${import.meta.dir}/../../../../shared/spec/defaults-drift.tsv`

const schema = record(
  'A plugin.',
  {
    hide_credentials: boolean('Whether.', { default: true }),
    ssl_verify: boolean('Whether.', { required: true, default: true }),
    redis: record(
      'Redis.',
      {
        host: string('A host.', { default: '127.0.0.1' }),
        ssl_verify: boolean('Whether.', { default: true }),
      },
      { required: true },
    ),
    topics: array('Topics.', record('A topic.', { ssl_verify: boolean('Whether.') })),
  },
  { required: true },
)

test('an older Kong has other defaults, and some not yet', () => {
  const of = (version: Parameters<typeof withDefaultsOf>[0]) =>
    check(withDefaultsOf(version, 'openid-connect', schema), {}).value
  const newest = {
    hide_credentials: true,
    ssl_verify: true,
    redis: { host: '127.0.0.1', ssl_verify: true },
  }
  expect(of('3.15')).toEqual({ ...newest, topics: undefined })
  expect(of('3.14')).toEqual(of('3.15'))
  expect(of('3.13')).toMatchObject({
    hide_credentials: false,
    ssl_verify: false,
    redis: { host: '127.0.0.1', ssl_verify: false },
  })
  expect(of('3.8')).toMatchObject({ redis: { host: undefined, ssl_verify: false } })
})

test('what is written stays as it is', () => {
  const old = withDefaultsOf('3.4', 'openid-connect', schema)
  expect(check(old, { hide_credentials: true }).value).toMatchObject({ hide_credentials: true })
})

const isThere = existsSync(DRIFT)
const NOT_TAKEN = /^(?:Session\tsecret|.*\t(?:metrics|custom_injections|wasm_metrics))\t/
const name = "all changes of defaults are Kong's"
test.skipIf(!isThere)(isThere ? name : `${name} (skipped: ../shared is not there)`, () => {
  const [, ...lines] = readFileSync(DRIFT, 'utf8').trim().split('\n')
  const missing = lines.filter((line) => {
    if (NOT_TAKEN.test(line)) return false
    const [plugin = '', field, , before = '', since] = line.split('\t')
    const kebab = plugin.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase()
    const value: unknown = before === '"<none>"' ? undefined : JSON.parse(before)
    return !driftOf(kebab).some(
      (each) => each.field === field && each.since === since && Bun.deepEquals(each.before, value),
    )
  })
  expect(missing).toEqual([])
  expect(lines.length).toBeGreaterThan(100)
})

test('the defaults of no release are a fault of any plugin', () => {
  const faultsOf = (plugin: Plugin, version: CompatVersion) =>
    check(withDefaultsOf(version, plugin.name, plugin.schema as Field), {}).faults
  for (const plugin of plugins.values())
    for (const version of COMPAT_VERSIONS)
      expect(faultsOf(plugin, version), `${plugin.name} of ${version}`).toEqual(
        faultsOf(plugin, '3.15'),
      )
})
