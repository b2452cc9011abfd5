import { type AccessContext, errorExit, type Exit, type Gateway, type Plugin } from '../../pdk.ts'
import { array, boolean, type Infer, record, string } from '../../schema/field.ts'
import { groupsValue } from '../groups.ts'

const schema = record(
  'Lets those pass who are in one of some groups, or those who are in none of them.',
  {
    allow: array('The groups that may pass; nobody else may.', string('A group.')),
    deny: array(
      'The groups that may not pass; everybody else who is known may.',
      string('A group.'),
    ),
    hide_groups_header: boolean(
      'Whether the service is not told the groups, in `X-Consumer-Groups` or `X-Authenticated-Groups`.',
      { required: true, default: false },
    ),
    always_use_authenticated_groups: boolean(
      'Whether groups that an authentication plugin has found go before those of the consumer. Otherwise they count only where there is no consumer, or the anonymous one.',
      { required: true, default: false },
    ),
    include_consumer_groups: boolean(
      'Whether the consumer groups count, beside those of `acls`: those that an authentication plugin has found, or else those of the consumer.',
      { required: true, default: false },
    ),
  },
  { required: true },
  { checks: [notExactlyOne] },
)

type Config = Infer<typeof schema>

/** Lets callers pass by their groups. Who they are, another plugin has found out before. */
export const acl: Plugin<Config> = {
  name: 'acl',
  priority: 950,
  schema,
  remedies: { group_not_allowed: { fields: ['allow', 'deny'] }, no_credentials: { fields: [] } },
  create(config, { consumers }) {
    const { allow = [], deny = [], hide_groups_header } = config
    const { always_use_authenticated_groups, include_consumer_groups } = config
    const listed = new Set(deny.length > 0 ? deny : allow)
    const isDenyList = deny.length > 0
    const groupsOf = createGroupsOf(config, consumers)
    // The groups of a consumer are one list as long as the configuration holds: it is judged once.
    const verdicts = new WeakMap<readonly string[], Verdict>()

    function judge(groups: readonly string[]): Verdict {
      const value = groups.length === 0 ? '' : groupsValue(groups)
      const passes = groups.some((group) => listed.has(group)) !== isDenyList
      return { passes, value: hide_groups_header ? undefined : value }
    }

    function judgeOnce(groups: readonly string[]): Verdict {
      let verdict = verdicts.get(groups)
      if (!verdict) verdicts.set(groups, (verdict = judge(groups)))
      return verdict
    }

    return {
      access(ctx) {
        const { consumer, credential, authenticatedGroups } = ctx
        const foundGroups = include_consumer_groups ? ctx.consumerGroups : undefined
        const asksOthers = !consumer || !credential || always_use_authenticated_groups
        if (asksOthers && authenticatedGroups)
          return finish(ctx, judge(authenticatedGroups), 'X-Authenticated-Groups')
        if (foundGroups) {
          const own = consumer ? consumers.groupsOf(consumer) : []
          const names = foundGroups.map(({ name }) => name)
          return finish(ctx, judge(union(own, names)), 'X-Consumer-Groups')
        }
        if (!consumer) return refuse(ctx)
        const groups = groupsOf(consumer)
        if (groups.length === 0 && !isDenyList) return refuse(ctx)
        return finish(ctx, judgeOnce(groups), 'X-Consumer-Groups')
      },
    }
  },
}

interface Verdict {
  readonly passes: boolean
  /** What the service is told. */
  readonly value: string | undefined
}

function finish(ctx: AccessContext, { passes, value }: Verdict, header: string): Exit | undefined {
  if (!passes) return forbid(ctx)
  if (value !== undefined) ctx.upstream.headers.set(header, value)
  return undefined
}

/** Nobody is known, or somebody without any groups: 401 for those who may try again with credentials. */
function refuse(ctx: AccessContext): Exit {
  if (ctx.credential) return forbid(ctx)
  return errorExit(ctx.request, 401, 'Unauthorized', [], {
    code: 'no_credentials',
    cause: 'no plugin has found out who the caller is, or only that it is the anonymous consumer',
  })
}

function forbid({ request }: AccessContext): Exit {
  return errorExit(request, 403, 'You cannot consume this service', [], {
    code: 'group_not_allowed',
    cause: "the caller's groups are not in allow, or one is in deny",
  })
}

type Consumers = Gateway['consumers']

/** Always the same list for the same consumer. */
function createGroupsOf(
  { include_consumer_groups }: Config,
  consumers: Consumers,
): Consumers['groupsOf'] {
  if (!include_consumer_groups) return consumers.groupsOf
  const lists = new WeakMap<object, readonly string[]>()
  return (consumer) => {
    let list = lists.get(consumer)
    if (!list) {
      list = union(consumers.groupsOf(consumer), consumers.consumerGroupsOf(consumer))
      lists.set(consumer, list)
    }
    return list
  }
}

function union(some: readonly string[], others: readonly string[]): readonly string[] {
  return [...new Set([...some, ...others])]
}

function notExactlyOne({ allow, deny }: Readonly<Record<string, unknown>>): string | undefined {
  const given = [allow, deny].filter((list) => Array.isArray(list) && list.length > 0)
  if (given.length === 1) return undefined
  const kind = given.length === 0 ? 'at least one' : 'exactly one'
  return `${kind} of these fields must be non-empty: 'config.allow', 'config.deny'`
}
