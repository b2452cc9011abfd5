import { type Exit, exit } from '../../../pdk.ts'
import type { Config } from '../../../schema/field.ts'
import { redirect } from '../answer.ts'
import type { Client } from '../clients.ts'
import type { MethodName } from '../methods/method.ts'
import type { Proof } from '../proof.ts'
import type { fields } from './fields.ts'

type Settings = Config<
  Pick<
    typeof fields,
    | 'login_action'
    | 'login_methods'
    | 'login_tokens'
    | 'login_redirect_mode'
    | 'preserve_query_args'
  >
>

/**
 * What follows a success of one of `login_methods`; nothing where the request goes on to the service. `returnTo` is the
 * URL that began a login, with its query.
 */
export type LoginAction = (
  method: MethodName,
  proof: Proof,
  client: Client | undefined,
  returnTo: string | undefined,
) => Exit | undefined

/** What a client is given: members of the provider's answer, or its tokens by their names. */
type Given = Readonly<Record<string, unknown>>

/** Prepares what follows a login; nothing for `login_action: upstream`. */
export function createLoginAction(config: Settings): LoginAction {
  const { login_action, login_redirect_mode, preserve_query_args } = config
  const methods: ReadonlySet<string> = new Set(config.login_methods)
  const wanted = config.login_tokens ?? []
  if (login_action === 'upstream') return () => undefined

  return (method, proof, client, returnTo) => {
    if (!methods.has(method)) return undefined
    const given = givenOf(proof)
    if (login_action === 'response') return exit(200, given, [['Cache-Control', 'no-store']])
    const target = targetOf(client?.login_redirect_uri, returnTo, preserve_query_args)
    // Without a place to go to, as after a password, going on is all that is left.
    return target === undefined
      ? undefined
      : redirect(withGiven(target, given, login_redirect_mode))
  }

  /** All that the token endpoint gave, or else what introspection told, or else single tokens: as Kong does it. */
  function givenOf({ set, identity }: Proof): Given {
    if (wanted.includes('tokens') && set?.members) return set.members
    if (wanted.includes('introspection') && identity?.introspection) return identity.introspection
    const names = (['id_token', 'access_token', 'refresh_token'] as const).filter((name) =>
      wanted.includes(name),
    )
    return Object.fromEntries(
      names.flatMap((name): [string, string][] => {
        const token = identity?.[name]
        return token === undefined ? [] : [[name, token]]
      }),
    )
  }
}

/** Where a browser is sent: to the place that is configured, or back to where it came from; with its query if that is to be kept. */
function targetOf(
  configured: string | undefined,
  returnTo: string | undefined,
  keepsQuery: boolean,
): string | undefined {
  const [url, ...rest] = returnTo?.split('?') ?? []
  const target = configured ?? url
  if (target === undefined || !keepsQuery || rest.length === 0) return target
  return withArguments(target, rest.join('?'))
}

function withGiven(target: string, given: Given, mode: Settings['login_redirect_mode']): string {
  const pairs = Object.entries(given).map(([name, value]): [string, string] => [
    name,
    textOf(value),
  ])
  if (pairs.length === 0) return target
  const text = new URLSearchParams(pairs).toString()
  if (mode === 'query') return withArguments(target, text)
  return `${target}${target.includes('#') ? '&' : '#'}${text}`
}

/** Adds to the query of a URL, before its fragment. */
function withArguments(url: string, text: string): string {
  const [before = '', ...fragment] = url.split('#')
  const added = `${before}${before.includes('?') ? '&' : '?'}${text}`
  return [added, ...fragment].join('#')
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
