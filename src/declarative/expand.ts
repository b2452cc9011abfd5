import { normalizeText } from '../path.ts'
import type { Field } from '../schema/field.ts'
import { isRecord } from '../schema/check.ts'
import { nearest } from '../schema/nearest.ts'
import { uuidV5 } from '../uuid.ts'
import { type Dialect, isIn } from './dialect.ts'
import type { LocatedFault } from './faults.ts'
import {
  isKind,
  type Kind,
  KINDS,
  mapKinds,
  NESTED,
  refusalOf,
  rulesOf,
  UNSUPPORTED_ENTITIES,
} from './kinds.ts'
import { META, type Meta, mergeDeep } from './merge.ts'
import { type Origin, originsIn } from './origin.ts'
import type { ParsedFile, Path } from './parse.ts'
import { Partials } from './partials.ts'

/** An entity as the file gives it, before its references are followed and its fields are checked. */
export interface Draft {
  readonly kind: Kind
  readonly id: string
  readonly file: ParsedFile
  readonly path: Path
  /** Its own fields: nested lists, remarks and what belongs to no entity are taken out. */
  readonly input: Readonly<Record<string, unknown>>
  /** Where else its fields may be written, the first of them first. */
  readonly origins: readonly Origin[]
  /** The entity that it is nested under, and the foreign key that says so. */
  readonly parent: { readonly field: string; readonly draft: Draft } | undefined
}

/** Takes the nesting of the files apart into one list of entities, in their order, each with an id. */
export function expand(files: readonly ParsedFile[], meta: Meta, dialect: Dialect) {
  const expansion = new Expansion(files, meta, dialect)
  for (const file of files) expansion.readFile(file)
  return { drafts: expansion.drafts, faults: expansion.faults }
}

class Expansion {
  readonly drafts: Draft[] = []
  readonly faults: LocatedFault[] = []
  readonly #files: readonly ParsedFile[]
  readonly #meta: Meta
  readonly #dialect: Dialect
  readonly #partials: Partials
  readonly #topLevel = new Map<Kind, number>()

  constructor(files: readonly ParsedFile[], meta: Meta, dialect: Dialect) {
    this.#files = files
    this.#meta = meta
    this.#dialect = dialect
    this.#partials = new Partials(files)
  }

  readFile(file: ParsedFile): void {
    for (const [name, value] of Object.entries(file.content)) {
      const refusal = UNSUPPORTED_ENTITIES.get(name)
      if (!isIn(this.#dialect, name)) this.#otherDialect(file, [name])
      else if (isKind(name)) this.#readList(file, [name], name, value, undefined)
      else if (name === 'workspaces') this.#readWorkspaces(file, value)
      else if (refusal) this.#refuse(file, [name], value, refusal)
      else if (!Object.hasOwn(META, name)) {
        const near = nearest(name, [...Object.keys(KINDS), ...Object.keys(META)])
        this.faults.push(file.fault([name], 'unknown field', near && `did you mean "${near}"?`))
      }
    }
  }

  #otherDialect(file: ParsedFile, path: Path): void {
    const hint = `declarative_dialect is ${this.#dialect}, whose files have no such key here`
    this.faults.push(file.fault(path, 'unknown field', hint))
  }

  /** Kong's exports name the one workspace that there always is. */
  #readWorkspaces(file: ParsedFile, list: unknown): void {
    if (list === null) return
    if (!Array.isArray(list))
      return void this.faults.push(file.fault(['workspaces'], 'expected an array'))
    for (const [i, each] of list.entries()) {
      if (isRecord(each) && each.name === 'default') continue
      const message = 'there is one workspace, default; remove the others and what is in them'
      this.faults.push(file.fault(['workspaces', i], message))
    }
  }

  #readList(
    file: ParsedFile,
    path: Path,
    kind: Kind,
    list: unknown,
    parent: Draft['parent'],
  ): void {
    // An empty map is an empty list: what Kong's own exports hold, whose language knows no difference.
    if (list === null || (isRecord(list) && Object.keys(list).length === 0)) return
    if (!Array.isArray(list)) return void this.faults.push(file.fault(path, 'expected an array'))
    const before = parent ? 0 : (this.#topLevel.get(kind) ?? 0)
    if (!parent) this.#topLevel.set(kind, before + list.length)
    list.forEach((item: unknown, i) => {
      if (isRecord(item)) this.#readItem(file, [...path, i], kind, item, parent, before + i)
      else this.faults.push(file.fault([...path, i], 'expected a record'))
    })
  }

  #readItem(
    file: ParsedFile,
    path: Path,
    kind: Kind,
    item: Readonly<Record<string, unknown>>,
    parent: Draft['parent'],
    place: number,
  ): void {
    const fields = new Map<string, unknown>()
    const lists: { name: string; kind: Kind; field: string; value: unknown }[] = []
    for (const [name, value] of Object.entries(item)) {
      const field = isKind(name) ? NESTED[kind].get(name) : undefined
      const member = MEMBERS.get(kind)
      const refusal = refusalOf(kind, name)
      if (!isIn(this.#dialect, name, kind)) this.#otherDialect(file, [...path, name])
      else if (field !== undefined) lists.push({ name, kind: name as Kind, field, value })
      else if (name === member?.list)
        lists.push({
          name,
          kind: 'consumer_group_consumers',
          field: member.parent,
          value: membersOf(value, member),
        })
      else if (refusal) this.#refuse(file, [...path, name], value, refusal)
      else if (name === '_comment' || name === '_ignore')
        this.#readRemark(file, [...path, name], value)
      // null stands for what is left out, as for decK: Kong takes its default when the request comes.
      else if (value !== null) fields.set(name, value)
    }
    const origins =
      kind === 'plugins'
        ? [...this.#shareConfig(file, path, fields), ...this.#takePartials(file, path, fields)]
        : this.#defaultsOf(kind)
    this.#fillIn(kind, fields)
    const input = Object.fromEntries(fields)
    const id = idOf(kind, input, parent, place)
    const draft = { kind, id, file, path, input, origins, parent }
    this.drafts.push(draft)
    for (const { name, kind: child, field, value } of lists)
      this.#readList(file, [...path, name], child, value, { field, draft })
  }

  #refuse(file: ParsedFile, path: Path, value: unknown, message: string): void {
    const empty = value === null || (typeof value === 'object' && Object.keys(value).length === 0)
    if (!empty) this.faults.push(file.fault(path, message))
  }

  #readRemark(file: ParsedFile, path: Path, value: unknown): void {
    const isList = path.at(-1) === '_ignore'
    if (value === null || (isList ? Array.isArray(value) : typeof value === 'string')) return
    this.faults.push(file.fault(path, isList ? 'expected an array' : 'expected a string'))
  }

  /** decK's `_config`: the plugin has the settings of that name, with its own over them. */
  #shareConfig(file: ParsedFile, path: Path, fields: Map<string, unknown>): readonly Origin[] {
    const name = fields.get('_config')
    if (name === undefined) return []
    fields.delete('_config')
    const shared =
      typeof name === 'string'
        ? new Map(Object.entries(this.#meta.plugin_configs)).get(name)
        : undefined
    if (!shared) {
      this.faults.push(file.fault([...path, '_config'], 'no such entry in _plugin_configs'))
      return []
    }
    const own = fields.get('config') ?? {}
    if (isRecord(own)) fields.set('config', mergeDeep(shared, own))
    return originsIn(this.#files, ['config'], ['_plugin_configs', String(name)])
  }

  #takePartials(file: ParsedFile, path: Path, fields: Map<string, unknown>): readonly Origin[] {
    const partials = fields.get('partials')
    if (partials === undefined) return []
    fields.delete('partials')
    const { config, origins } = this.#partials.apply(
      String(fields.get('name')),
      fields.get('config'),
      partials,
      (at, message) => this.faults.push(file.fault([...path, ...at], message)),
    )
    fields.set('config', config)
    return origins
  }

  #defaultsOf(kind: Kind): readonly Origin[] {
    const name = DEFAULTS.get(kind)
    return name === undefined ? [] : originsIn(this.#files, [], ['_info', 'defaults', name])
  }

  /** What `_info` has for all entities. */
  #fillIn(kind: Kind, fields: Map<string, unknown>): void {
    const { defaults, select_tags } = this.#meta
    for (const [name, value] of Object.entries(defaults[kind] ?? {})) {
      const own = fields.get(name)
      if (!fields.has(name)) fields.set(name, value)
      else if (isRecord(value) && isRecord(own)) fields.set(name, mergeDeep(value, own))
    }
    const tags = fields.get('tags') ?? []
    if (select_tags.length > 0 && Array.isArray(tags))
      fields.set('tags', [...new Set([...tags, ...select_tags])])
    const paths = fields.get('paths')
    if (kind === 'routes' && this.#meta.format_version !== '3.0' && Array.isArray(paths)) {
      fields.set('paths', paths.map(migratePath))
    }
  }
}

/** decK's ways of saying who is in a group: the list, what each of its items is, and what the entity around it is. */
const MEMBERS: ReadonlyMap<Kind, Member> = new Map([
  ['consumers', { list: 'groups', item: 'consumer_group', parent: 'consumer', key: 'name' }],
  [
    'consumer_groups',
    { list: 'consumers', item: 'consumer', parent: 'consumer_group', key: 'username' },
  ],
])

interface Member {
  readonly list: string
  readonly item: string
  readonly parent: string
  readonly key: string
}

/** Each item as the membership that it stands for: decK writes `{ name: gold }`, and may add what else it knows of it. */
function membersOf(list: unknown, { item, key }: Member): unknown {
  if (!Array.isArray(list)) return list
  return list.map((each: unknown) => {
    if (!isRecord(each)) return { [item]: each }
    const { id, [key]: name } = each
    return { [item]: id === undefined && name === undefined ? each : { id, [key]: name } }
  })
}

/** The names in `_info` of the kinds that it has defaults for. */
const DEFAULTS: ReadonlyMap<Kind, string> = new Map([
  ['services', 'service'],
  ['routes', 'route'],
  ['upstreams', 'upstream'],
  ['targets', 'target'],
])

/** Before 3.0 a path that held anything unusual was a regular expression without a mark; `~` is the mark since. */
function migratePath(path: unknown): unknown {
  if (typeof path !== 'string') return path
  return /^[\w.\-~/%]*$/.test(path) ? normalizeText(path) : `~${path}`
}

/** Kong's namespaces of ids, one for each kind. */
const NAMESPACES = mapKinds((kind) => uuidV5(kind, 'fd02801f-0957-4a15-a55a-c8d9606f30b5'))

/** The id that Kong's loader gives to an entity of `kind` with that key, so that both order their routes alike. */
export function entityId(kind: Kind, key: string): string {
  return uuidV5(key, NAMESPACES[kind])
}

/**
 * The id of an entity: its own, or made from what names it, as in Kong. Where Kong draws lots (a route without a name)
 * it is made from the place in the file, so that a reload and a second node come to the same. A credential's is too:
 * an id that is a hash of a key would give the key to whoever can guess it.
 */
function idOf(kind: Kind, input: Draft['input'], parent: Draft['parent'], place: number): string {
  if (typeof input.id === 'string') return input.id
  const { key, made } = rulesOf(kind)
  const name = made ? joinedKey(kind, made, input, parent) : key && input[key]
  if (typeof name === 'string' && !UNTOLD.has(kind)) return entityId(kind, name)
  return entityId(kind, `${parent?.draft.id ?? ''}#${place}`)
}

/** Kinds whose key Kong draws where it is not given, and so does not make an id of. */
const UNTOLD: ReadonlySet<Kind> = new Set(['oauth2_credentials'])

/** Kong's text for a kind that no single field names: its fields in their order, empty for those that are not there. */
function joinedKey(
  kind: Kind,
  made: readonly string[],
  input: Draft['input'],
  parent: Draft['parent'],
): string | undefined {
  const fields = (KINDS[kind].schema as Field).fields ?? {}
  const words: string[] = [kind, '*']
  // Kong without consumer groups has no place for one in the text.
  const names =
    'consumer_group' in input || parent?.field === 'consumer_group'
      ? [...new Set([...made, 'consumer_group'])]
      : made
  for (const name of names) {
    const value = input[name]
    if (typeof value === 'string') words.push(value)
    else if (isRecord(value)) words.push(String(value.id ?? value.name ?? value.username))
    else if (parent?.field === name) words.push(parent.draft.id)
    else if (fields[name]?.rules.required) return undefined
    else words.push('')
  }
  return words.join(':')
}
