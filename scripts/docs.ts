// Writes docs/plugins/*.md from the plugins' schemas: `npm run docs`. The pages in the tree must equal what this makes.

import { join } from 'node:path'
import type { Plugin } from '../src/pdk.ts'
import { plugins } from '../src/plugins/index.ts'
import { UNREAD } from '../src/plugins/mtls-auth/index.ts'
import { fields as guards } from '../src/plugins/openid-connect/unsupported/guards.ts'
import { fields as unsupported } from '../src/plugins/openid-connect/unsupported.ts'
import type { Field } from '../src/schema/field.ts'

const root = join(import.meta.dir, '..')

/** The pages that belong in docs/plugins, by their paths from the root of the project. */
export async function createPages(): Promise<ReadonlyMap<string, string>> {
  const pages = [...plugins.values()].map(
    async (plugin) => [`docs/plugins/${plugin.name}.md`, await format(page(plugin))] as const,
  )
  return new Map(await Promise.all(pages))
}

/** The fields of `config` that this release takes and does not act on, for plugins that have some. */
const NOT_HONOURED: Readonly<Record<string, ReadonlySet<string>>> = {
  'key-auth': new Set(['identity_realms']),
  'mtls-auth': new Set([...UNREAD, 'revocation_check_mode']),
  'openid-connect': new Set(Object.keys(unsupported)),
}

/** What the schema of a plugin cannot say of itself. */
const NOTES: Readonly<Record<string, string>> = {
  'mtls-auth':
    'Signatures, validity, the authorities’ flag and key usage, the length of a path and the purpose are checked for the whole ' +
    'chain. Refused, since nothing here can check them: constraints of names, critical extensions that are not understood, ' +
    'signatures with MD5 or SHA-1. Not checked: revocations, policies, and the key usage of the client’s own certificate.',
  'openid-connect':
    'The method authorization_code may stand in `auth_methods` and sends nobody to log in yet, of which a warning reminds.',
}

function page(plugin: Plugin): string {
  const { name, priority, schema } = plugin
  const fields = Object.entries(schema.fields ?? {})
  const honoured = fields.filter(([field]) => !NOT_HONOURED[name]?.has(field))
  const others = fields.filter(([field]) => NOT_HONOURED[name]?.has(field))
  const refused = others.filter((each) => isRefused(name, each))
  const idle = others.filter((each) => !refused.includes(each))
  const shorthands = Object.entries(schema.shorthands ?? {})
  return [
    `<!-- Written by scripts/docs.ts from the plugin's schema. To change it, change the schema and run: npm run docs -->`,
    `# ${name}`,
    schema.description,
    `Priority ${priority}: plugins with a higher number run earlier. The names, types and defaults are Kong 3.15's. ` +
      summary(honoured.length, idle.length, refused.length),
    NOTES[name] ?? '',
    '## Fields that work',
    table(honoured),
    idle.length > 0 && '## Accepted, not honoured yet',
    idle.length > 0 &&
      'They are checked as Kong does, and nothing reads them. Setting one to anything but its default gives a warning at load that names it.',
    table(idle),
    refused.length > 0 && '## Refused with any value but the default',
    refused.length > 0 &&
      'They keep somebody out, or keep a request from the service. Until they are built, a configuration that sets one is not loaded.',
    table(refused),
    shorthands.length > 0 && '## Older names',
    shorthands.length > 0 &&
      'Names of earlier releases of Kong; each sets the field that it became.',
    table(shorthands.map(([field, shorthand]) => [field, shorthand.field])),
  ]
    .filter((part) => part !== false && part !== '')
    .join('\n\n')
}

function summary(honoured: number, idle: number, refused: number): string {
  const all = honoured + idle + refused
  if (all === honoured) return `All ${all} fields of \`config\` work.`
  const rest = [
    idle > 0 && `${are(idle)} accepted with a warning`,
    refused > 0 && `${are(refused)} refused with any value but the default`,
  ].filter((each) => each !== false)
  return `Of the ${all} fields of \`config\` ${honoured} work, ${rest.join(', ')}.`
}

function are(count: number): string {
  return count === 1 ? '1 is' : `${count} are`
}

/** Whether setting the field is a fault at load: those that guard, and those whose own rule takes no value at all. */
function isRefused(plugin: string, [name, field]: readonly [string, Field]): boolean {
  if (plugin !== 'openid-connect') return false
  const { custom } = field.rules
  return Object.hasOwn(guards, name) || custom?.('any value' as never) !== undefined
}

function table(fields: readonly (readonly [string, Field])[]): string {
  if (fields.length === 0) return ''
  const lines = fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, field]) => rowsOf(name, field))
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
  return ['| field | type | default | what it says |', '| --- | --- | --- | --- |', ...lines].join(
    '\n',
  )
}

/** A field's row, and those of the fields inside of it. */
function rowsOf(name: string, field: Field): string[][] {
  const nested = field.fields ?? field.element?.fields ?? {}
  const inside = field.fields ? `${name}.` : `${name}[].`
  return [
    [`\`${name}\``, typeOf(field), defaultOf(field), says(field)],
    ...Object.entries(nested).flatMap(([each, inner]) => rowsOf(inside + each, inner)),
  ]
}

function typeOf(field: Field): string {
  return field.element ? `${field.type} of ${typeOf(field.element)}` : field.type
}

function defaultOf({ rules }: Field): string {
  if (rules.default === undefined) return rules.required ? 'required' : ''
  const value = rules.default
  return Array.isArray(value) ? code(`[${value.join(', ')}]`) : code(String(value))
}

function says(field: Field): string {
  const { one_of, between, gt, len_min } = field.element?.rules.one_of
    ? field.element.rules
    : field.rules
  return [
    field.description,
    one_of && `One of ${one_of.map((value) => code(String(value))).join(', ')}.`,
    between && `From ${between[0]} to ${between[1]}.`,
    gt !== undefined && `Above ${gt}.`,
    field.type === 'array' && len_min !== undefined && `At least ${len_min}.`,
  ]
    .filter((part) => part !== undefined && part !== false)
    .join(' ')
}

function code(text: string): string {
  return `\`${text}\``
}

/** As the formatter leaves it, so that it has nothing to say about the pages. */
async function format(markdown: string): Promise<string> {
  const formatter = Bun.spawn(
    [process.execPath, 'fmt', '--no-script', '--stdin-filepath=page.md'],
    {
      cwd: root,
      stdin: new Blob([`${markdown}\n`]),
      stdout: 'pipe',
      stderr: 'pipe',
    },
  )
  const [text, complaint] = await Promise.all([formatter.stdout.text(), formatter.stderr.text()])
  if ((await formatter.exited) !== 0) throw new Error(`the page cannot be formatted\n${complaint}`)
  return text
}

if (import.meta.main) {
  for (const [path, text] of await createPages()) {
    await Bun.write(join(root, path), text)
    console.log(path)
  }
}
