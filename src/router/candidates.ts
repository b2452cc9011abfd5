import { type Condition, fieldsOf, type Keys, keysOf } from '../expression/condition.ts'
import { type HeaderKey, HeaderLists, rarestOf, type ValuesOf } from './header_lists.ts'

/** More places for one rule than this would make the index larger than what it saves. */
const MOST_PLACES = 4096

/**
 * Which rules a request may fit, by its host, the beginning of its path and its headers, so that few are tried however
 * many there are.
 * A rule is a number here: its place in the order in which rules are tried.
 */
export class Candidates {
  readonly #anyHost = new PathTree()
  readonly #hosts = new Map<string, PathTree>()
  /** By what a host begins with, up to a dot, and ends with, from a dot. */
  readonly #hostFronts = new Map<string, PathTree>()
  readonly #hostEnds = new Map<string, PathTree>()

  /** Takes the conditions of the rules in their order. */
  constructor(conditions: readonly Condition[]) {
    const keys = conditions.map(headerKeysOf)
    const rarest = rarestOf(keys)
    for (const [i, condition] of conditions.entries()) this.#add(i, condition, rarest(keys[i]!))
  }

  #add(rule: number, condition: Condition, header: HeaderKey | undefined): void {
    const trees = this.#treesOf(keysOf(condition, 'http.host'))
    const keys = keysOf(condition, 'http.path')
    // A path is not looked up by its end.
    const paths = keys && keys.ends.length === 0 ? [...keys.whole, ...keys.fronts] : ['']
    const few = trees.length * paths.length <= MOST_PLACES
    for (const tree of few ? trees : [this.#anyHost])
      for (const path of paths) tree.add(path, rule, header)
  }

  /** Whether hosts say anything here. */
  get hasHosts(): boolean {
    return this.#hosts.size > 0 || this.#hostFronts.size > 0 || this.#hostEnds.size > 0
  }

  /** The rules for a request, in lists that are each in order. */
  find(host: string | undefined, path: string, valuesOf: ValuesOf): (readonly number[])[] {
    const lists: (readonly number[])[] = []
    this.#anyHost.collect(path, valuesOf, lists)
    if (host === undefined) return lists
    this.#hosts.get(host)?.collect(path, valuesOf, lists)
    if (this.#hostFronts.size > 0 || this.#hostEnds.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        this.#hostFronts.get(host.slice(0, dot + 1))?.collect(path, valuesOf, lists)
        this.#hostEnds.get(host.slice(dot))?.collect(path, valuesOf, lists)
      }
    }
    return lists
  }

  #treesOf(hosts: Keys | undefined): PathTree[] {
    const atDots =
      hosts?.fronts.every((front) => front.endsWith('.')) &&
      hosts.ends.every((end) => end.startsWith('.'))
    if (!hosts || !atDots) return [this.#anyHost]
    return [
      ...hosts.whole.map((host) => treeAt(this.#hosts, host)),
      ...hosts.fronts.map((front) => treeAt(this.#hostFronts, front)),
      ...hosts.ends.map((end) => treeAt(this.#hostEnds, end)),
    ]
  }
}

/** The header fields of which a rule needs exact values. */
function headerKeysOf(condition: Condition): HeaderKey[] {
  const fields = fieldsOf(condition).filter((field) => field.startsWith(HEADERS))
  return [...new Set(fields)].flatMap((field) => {
    const { whole, fronts, ends } = keysOf(condition, field, true) ?? NO_KEYS
    const isExact = whole.length > 0 && fronts.length === 0 && ends.length === 0
    return isExact ? [{ name: field.slice(HEADERS.length), values: whole }] : []
  })
}

const HEADERS = 'http.headers.'
const NO_KEYS: Keys = { whole: [], fronts: [], ends: [] }

function treeAt(trees: Map<string, PathTree>, key: string): PathTree {
  let tree = trees.get(key)
  if (!tree) trees.set(key, (tree = new PathTree()))
  return tree
}

/** What the beginnings of paths have in common stands once: a path is walked down, character by character. */
class PathTree {
  /** What stands on the way from the node above. */
  #label: string
  /** Of the paths that end here. */
  #rules: HeaderLists<number>
  #below: Map<number, PathTree>

  constructor(label = '', rules = new HeaderLists<number>(), below = new Map<number, PathTree>()) {
    this.#label = label
    this.#rules = rules
    this.#below = below
  }

  add(path: string, rule: number, header: HeaderKey | undefined): void {
    if (path === '') return this.#rules.add(rule, header)
    let node = this.#below.get(path.charCodeAt(0))
    if (!node) this.#below.set(path.charCodeAt(0), (node = new PathTree(path)))
    let shared = 0
    while (shared < node.#label.length && node.#label[shared] === path[shared]) shared++
    if (shared < node.#label.length) node.#split(shared)
    node.add(path.slice(shared), rule, header)
  }

  /** Adds the lists of all nodes on the way of a path. */
  collect(path: string, valuesOf: ValuesOf, lists: (readonly number[])[]): void {
    this.#rules.collect(valuesOf, lists)
    let at = 0
    let node = this.#below.get(path.charCodeAt(0))
    while (node && path.startsWith(node.#label, at)) {
      node.#rules.collect(valuesOf, lists)
      at += node.#label.length
      node = node.#below.get(path.charCodeAt(at))
    }
  }

  #split(at: number): void {
    const rest = new PathTree(this.#label.slice(at), this.#rules, this.#below)
    this.#below = new Map([[rest.#label.charCodeAt(0), rest]])
    this.#label = this.#label.slice(0, at)
    this.#rules = new HeaderLists<number>()
  }
}
