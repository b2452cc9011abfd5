import { boolean, type Infer, number, record, string } from '../schema/field.ts'
import { created_at, id, tags, updated_at } from './typedefs.ts'

/** The kinds of vault that there are. */
export const VAULTS = ['env', 'fs'] as const
export type VaultName = (typeof VAULTS)[number]

/** Those of Kong that are asked over the network. */
export const REMOTE = ['aws', 'azure', 'conjur', 'gcp', 'hcv', 'konnect']

/** A place that secrets are kept in, under a name for references. */
export const vault = record(
  'A place that secrets are kept in, under a name for references.',
  {
    id,
    prefix: string('What references call it. Unique.', { required: true, custom: badPrefix }),
    name: string('Its kind: `env` for the environment, `fs` for the files of a directory.', {
      required: true,
      custom: badName,
    }),
    description: string('A remark.'),
    config: record(
      'What its kind needs.',
      {
        prefix: string(
          'What stands before the names of variables; for `fs`, the directory of the files, which it needs.',
        ),
        base64_decode: boolean('Whether its secrets are in Base64.'),
        ttl: number('Of `fs`, in seconds. Has no effect: a load reads each secret anew.'),
        neg_ttl: number('Likewise.'),
        resurrect_ttl: number('Likewise.'),
      },
      { required: true },
    ),
    tags,
    created_at,
    updated_at,
  },
  { required: true },
  { checks: [takenPrefix, badConfig] },
)

export type Vault = Infer<typeof vault>

function badPrefix(prefix: string): string | undefined {
  return /^[a-z][a-z\d-]*[a-z\d]$/.test(prefix) ? undefined : `invalid value: ${prefix}`
}

/** References to a kind would lead to a vault of that name. */
function takenPrefix({ name, prefix }: Readonly<Record<string, unknown>>) {
  // Of a vault whose kind is not known, Kong says nothing else.
  return name !== undefined && (VAULTS as readonly unknown[]).includes(prefix)
    ? { field: 'prefix', message: `must not be one of: ${VAULTS.join(', ')}` }
    : undefined
}

function badName(name: string): string | undefined {
  if ((VAULTS as readonly string[]).includes(name)) return undefined
  return REMOTE.includes(name)
    ? `vaults of the kind ${name} are not supported yet; ${VAULTS.join(' and ')} are`
    : `vault '${name}' is not installed; the name is its kind, ${VAULTS.join(' or ')}, and the prefix what references call it`
}

function badConfig({ name, config }: Readonly<Record<string, unknown>>) {
  const { prefix, ...more } = config as { readonly prefix?: string }
  if (name === 'fs') {
    if (prefix === undefined) return { field: 'config.prefix', message: 'required field missing' }
    return prefix.startsWith('/')
      ? undefined
      : { field: 'config.prefix', message: 'expected the path of a directory, from /' }
  }
  const [of] =
    Object.entries(more).find(([key, value]) => key.endsWith('ttl') && value !== undefined) ?? []
  if (of !== undefined) return { field: `config.${of}`, message: 'unknown field' }
  return prefix === undefined || /^[A-Za-z_-][\w-]*$/.test(prefix)
    ? undefined
    : { field: 'config.prefix', message: `invalid value: ${prefix}` }
}
