import { expect, test } from 'bun:test'
import type { Consumer, ConsumerGroup } from '../../../../src/entities/index.ts'
import { acl } from '../../../../src/plugins/acl/index.ts'
import { check } from '../../../../src/schema/check.ts'
import { messageOf, TestContext, testGateway } from '../context.ts'

const ann = { id: 'ann' } as Consumer
const none = { id: 'none' } as Consumer
const GROUPS: Readonly<Record<string, readonly string[]>> = { ann: ['admin', 'dév'] }
const CONSUMER_GROUPS: Readonly<Record<string, readonly string[]>> = {
  ann: ['dév', 'gold'],
  none: ['gold'],
}
const NOTHING: readonly string[] = []

interface Caller {
  readonly consumer?: Consumer
  /** Without one the consumer is the anonymous one. */
  readonly credential?: boolean
  readonly authenticatedGroups?: readonly string[]
  /** By their names, as an authentication plugin found them. */
  readonly consumerGroups?: readonly string[]
}

function ask(config: Record<string, unknown>, caller: Caller) {
  const checked = check(acl.schema, config)
  if (checked.faults) throw new Error(JSON.stringify(checked.faults))
  const groupsOf = ({ id }: Consumer) => GROUPS[id] ?? NOTHING
  const consumerGroupsOf = ({ id }: Consumer) => CONSUMER_GROUPS[id] ?? NOTHING
  const gateway = testGateway({ consumers: { groupsOf, consumerGroupsOf } })
  const ctx = new TestContext()
  ctx.authenticate(caller.consumer, caller.credential ? { id: 'c' } : undefined)
  ctx.authenticatedGroups = caller.authenticatedGroups
  ctx.consumerGroups = caller.consumerGroups?.map((name) => ({ id: name, name }) as ConsumerGroup)
  const handler = acl.create(checked.value, gateway)
  const exit = handler.access!(ctx)
  if (exit instanceof Promise) throw new Error('a promise')
  const told = [...ctx.upstream.headers].map(
    ([name, value]) => `${name}: ${Buffer.from(value, 'latin1')}`,
  )
  return exit ? [exit.status, messageOf(exit)] : told
}

const UNKNOWN = [401, 'Unauthorized']
const FORBIDDEN = [403, 'You cannot consume this service']
const ANN = { consumer: ann, credential: true }
const NONE = { consumer: none, credential: true }
const TOLD = ['X-Consumer-Groups: admin, dév']
const always = { always_use_authenticated_groups: true }

// prettier-ignore
test.each<[Record<string, unknown>, Caller, unknown[]]>([
  [{ allow: ['admin'] },             ANN,                                               TOLD],
  [{ allow: ['x', 'dév'] },          ANN,                                               TOLD],
  [{ allow: ['x'] },                 ANN,                                               FORBIDDEN],
  [{ allow: ['admin'] },             NONE,                                              FORBIDDEN],
  [{ allow: ['admin'] },             { consumer: none },                                UNKNOWN],
  [{ allow: ['admin'] },             { consumer: ann },                                 TOLD],
  [{ allow: ['admin'] },             {},                                                UNKNOWN],
  [{ allow: ['admin'] },             { credential: true },                              FORBIDDEN],
  [{ deny: ['admin'] },              ANN,                                               FORBIDDEN],
  [{ deny: ['x'] },                  ANN,                                               TOLD],
  [{ deny: ['x'] },                  NONE,                                              ['X-Consumer-Groups: ']],
  [{ deny: ['x'], hide_groups_header: true }, NONE,                                     []],
  [{ deny: ['x'] },                  {},                                                UNKNOWN],
  [{ deny: ['x'] },                  { credential: true },                              FORBIDDEN],
  [{ allow: [], deny: ['x'] },       ANN,                                               TOLD],
  [{ allow: ['admin'], hide_groups_header: true }, ANN,                                 []],
  // Groups of another plugin.
  [{ allow: ['g'] },                 { credential: true, authenticatedGroups: ['f', 'g'] },      ['X-Authenticated-Groups: f, g']],
  [{ allow: ['x'] },                 { credential: true, authenticatedGroups: ['f', 'g'] },      FORBIDDEN],
  [{ deny: ['g'] },                  { credential: true, authenticatedGroups: ['f', 'g'] },      FORBIDDEN],
  [{ allow: ['g'] },                 { consumer: ann, authenticatedGroups: ['g'] },              ['X-Authenticated-Groups: g']],
  [{ allow: ['g'] },                 { ...ANN, authenticatedGroups: ['g'] },                     FORBIDDEN],
  [{ allow: ['g'], ...always },      { ...ANN, authenticatedGroups: ['g'] },                     ['X-Authenticated-Groups: g']],
  [{ allow: ['admin'], ...always },  { ...ANN, authenticatedGroups: ['g'] },                     FORBIDDEN],
  [{ allow: ['admin'], ...always },  ANN,                                                        TOLD],
  [{ allow: ['g'] },                 { credential: true, authenticatedGroups: ['g', 'a\r\nX: y'] }, []],
  // Consumer groups.
  [{ allow: ['gold'] },              ANN,                                               FORBIDDEN],
  [{ allow: ['gold'], include_consumer_groups: true }, ANN,                             ['X-Consumer-Groups: admin, dév, gold']],
  [{ allow: ['gold'], include_consumer_groups: true }, NONE,                            ['X-Consumer-Groups: gold']],
  [{ allow: ['admin'], include_consumer_groups: true }, ANN,                            ['X-Consumer-Groups: admin, dév, gold']],
  [{ deny: ['gold'], include_consumer_groups: true }, NONE,                             FORBIDDEN],
  // Consumer groups of another plugin.
  [{ allow: ['tin'] },                                 { ...ANN, consumerGroups: ['tin'] },            FORBIDDEN],
  [{ allow: ['tin'], include_consumer_groups: true },  { ...ANN, consumerGroups: ['tin'] },            ['X-Consumer-Groups: admin, dév, tin']],
  [{ allow: ['gold'], include_consumer_groups: true }, { ...ANN, consumerGroups: ['tin'] },            FORBIDDEN],
  [{ deny: ['gold'], include_consumer_groups: true },  { ...NONE, consumerGroups: ['tin'] },           ['X-Consumer-Groups: tin']],
  [{ allow: ['tin'], include_consumer_groups: true },  { credential: true, consumerGroups: ['tin'] },  ['X-Consumer-Groups: tin']],
  [{ allow: ['gold'], include_consumer_groups: true }, { credential: true, consumerGroups: ['tin'] },  FORBIDDEN],
])('with %j %j gets %j', (config, caller, outcome) => {
  expect(ask(config, caller) as unknown[]).toEqual(outcome)
})

// prettier-ignore
test.each([
  [{},                               "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"],
  [{ allow: [], deny: [] },          "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"],
  [{ allow: ['a'], deny: ['b'] },    "exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"],
])('%j is refused at load', (config, message) => {
  expect(check(acl.schema, config).faults?.map((fault) => fault.message)).toEqual([message])
})
