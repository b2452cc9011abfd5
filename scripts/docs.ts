// Writes docs/plugins/*.md from the plugins' schemas: `npm run docs`. The pages in the tree must equal what this makes.

import { join } from 'node:path'
import type { Plugin } from '../src/pdk.ts'
import { plugins } from '../src/plugins/index.ts'
import { UNREAD } from '../src/plugins/mtls-auth/index.ts'
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
  'mtls-auth': new Set(UNREAD),
}

/** What the schema of a plugin cannot say of itself. */
const NOTES: Readonly<Record<string, string>> = {
  'mtls-auth':
    'Signatures, validity, the authorities’ flag and key usage, the length of a path and the purpose are checked for the whole ' +
    'chain. Refused, since nothing here can check them: constraints of names, critical extensions that are not understood, ' +
    'signatures with MD5 or SHA-1. Not checked: policies, and the key usage of the client’s own certificate.',
  oauth2:
    'Tokens and codes are kept in the memory of the process, as hashes: they outlive a reload, but not a restart, and other nodes ' +
    'do not know them. Tokens of the configuration (`oauth2_tokens`) count too; one that was renewed is over until a restart.',
  'openid-connect':
    '`principals.enabled` is refused, since Kong Identity is a service of Konnect and cannot be asked; the other fields of `principals` are read by nobody.',
}

function page(plugin: Plugin): string {
  const { name, priority, schema } = plugin
  const fields = Object.entries(schema.fields ?? {})
  const honoured = fields.filter(([field]) => !NOT_HONOURED[name]?.has(field))
  const idle = fields.filter(([field]) => NOT_HONOURED[name]?.has(field))
  const shorthands = Object.entries(schema.shorthands ?? {})
  return [
    `<!-- Written by scripts/docs.ts from the plugin's schema. To change it, change the schema and run: npm run docs -->`,
    `# ${name}`,
    schema.description,
    `Priority ${priority}: plugins with a higher number run earlier. The names, types and defaults are Kong 3.15's. ` +
      summary(honoured.length, idle.length),
    NOTES[name] ?? '',
    '## Fields that work',
    table(honoured),
    idle.length > 0 && '## Accepted, not honoured yet',
    idle.length > 0 &&
      'They are checked as Kong does, and nothing reads them. Setting one to anything but its default gives a warning at load that names it.',
    table(idle),
    shorthands.length > 0 && '## Older names',
    shorthands.length > 0 &&
      'Names of earlier releases of Kong; each sets the field that it became.',
    table(shorthands.map(([field, shorthand]) => [field, shorthand.field])),
  ]
    .filter((part) => part !== false && part !== '')
    .join('\n\n')
}

function summary(honoured: number, idle: number): string {
  if (idle === 0) return `All ${honoured} fields of \`config\` work.`
  const are = idle === 1 ? '1 is' : `${idle} are`
  return `Of the ${honoured + idle} fields of \`config\` ${honoured} work, ${are} accepted with a warning.`
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
