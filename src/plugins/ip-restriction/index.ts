import { isIP } from 'node:net'
import { type ClientRequest, errorExit, type Exit, type Plugin } from '../../pdk.ts'
import { array, type Infer, number, record, string } from '../../schema/field.ts'
import { badAddress, createMatcher } from './addresses.ts'

const address = string('An IP address, or a CIDR block such as `192.168.0.0/16`.', {
  custom: badAddress,
})

const schema = record(
  'Lets requests pass, or refuses them, by the address that they come from.',
  {
    allow: array('Who may pass. If any are named, nobody else may.', address),
    deny: array('Who may not pass, even if `allow` names them.', address),
    status: number('The status of a refusal instead of 403.', { custom: badStatus }),
    message: string('The message of a refusal.'),
  },
  { required: true },
  { checks: [emptyLists] },
)

type Config = Infer<typeof schema>

/** Refuses by the client's address, which a trusted proxy may tell. */
export const ipRestriction: Plugin<Config> = {
  name: 'ip-restriction',
  priority: 990,
  schema,
  remedies: { ip_not_allowed: { fields: ['allow', 'deny'] } },
  create(config) {
    const isDenied = createMatcher(config.deny ?? [])
    const isAllowed = config.allow?.length ? createMatcher(config.allow) : () => true
    return {
      access({ request }) {
        const { ip } = request
        if (isIP(ip) === 0) return refuse(request, 403, NO_ADDRESS)
        if (!isDenied(ip) && isAllowed(ip)) return undefined
        const { status = 403, message = `IP address not allowed: ${ip}` } = config
        return refuse(request, status, message)
      },
    }
  },
}

const NO_ADDRESS = 'Cannot identify the client IP address, unix domain sockets are not supported.'

function refuse(request: ClientRequest, status: number, message: string): Exit {
  return errorExit(request, status, message, [], { code: 'ip_not_allowed', cause: request.ip })
}

// Kong takes any number and then fails at each refusal, with 500.
function badStatus(status: number): string | undefined {
  const isError = Number.isInteger(status) && status >= 400 && status <= 599
  return isError ? undefined : 'expected a status between 400 and 599'
}

function emptyLists({ allow, deny }: Readonly<Record<string, unknown>>): string | undefined {
  const isEmpty = (list: unknown) => !Array.isArray(list) || list.length === 0
  if (!isEmpty(allow) || !isEmpty(deny)) return undefined
  return "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"
}
