import { expect, test } from 'bun:test'
import { printFaults } from '../../src/declarative/faults.ts'
import { ConfigurationError } from '../../src/gateway.ts'
import { plugins } from '../../src/plugins/index.ts'
import { gateway } from './gateway.ts'

test('a plugin that is there, but not enabled, is refused at the start with the setting that would', async () => {
  const enabled = new Map([...plugins].filter(([name]) => name === 'cors'))
  const started = gateway('plugins: [{ name: acl, config: { allow: [a] } }]', { plugins: enabled })
  const error = await started.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigurationError)
  expect(printFaults((error as ConfigurationError).faults)).toContain('KONG_PLUGINS enables cors')
})
