import { type Condition, type Keys, keysOf } from '../expression/condition.ts'

/** More places for one rule than this would make the index larger than what it saves. */
const MOST_PLACES = 4096

/**
 * Which rules a request may fit, by its host and the beginning of its path, so that few are tried however many there are.
 * A rule is a number here: its place in the order in which rules are tried.
 */
export class Candidates {
  readonly #anyHost = new PathTree()
  readonly #hosts = new Map<string, PathTree>()
  /** By what a host begins with, up to a dot, and ends with, from a dot. */
  readonly #hostFronts = new Map<string, PathTree>()
  readonly #hostEnds = new Map<string, PathTree>()

  /** Rules are added in their order. */
  add(rule: number, condition: Condition): void {
    const trees = this.#treesOf(keysOf(condition, 'http.host'))
    const keys = keysOf(condition, 'http.path')
    // A path is not looked up by its end.
    const paths = keys && keys.ends.length === 0 ? [...keys.whole, ...keys.fronts] : ['']
    const few = trees.length * paths.length <= MOST_PLACES
    for (const tree of few ? trees : [this.#anyHost]) for (const path of paths) tree.add(path, rule)
  }

  /** Whether hosts say anything here. */
  get hasHosts(): boolean {
    return this.#hosts.size > 0 || this.#hostFronts.size > 0 || this.#hostEnds.size > 0
  }

  /** The rules for a request, in lists that are each in order. */
  find(host: string | undefined, path: string): (readonly number[])[] {
    const lists: (readonly number[])[] = []
    this.#anyHost.collect(path, lists)
    if (host === undefined) return lists
    this.#hosts.get(host)?.collect(path, lists)
    if (this.#hostFronts.size > 0 || this.#hostEnds.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        this.#hostFronts.get(host.slice(0, dot + 1))?.collect(path, lists)
        this.#hostEnds.get(host.slice(dot))?.collect(path, lists)
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
  #rules: number[]
  #below: Map<number, PathTree>

  constructor(label = '', rules: number[] = [], below = new Map<number, PathTree>()) {
    this.#label = label
    this.#rules = rules
    this.#below = below
  }

  add(path: string, rule: number): void {
    if (path === '') {
      if (this.#rules.at(-1) !== rule) this.#rules.push(rule)
      return
    }
    const node = this.#below.get(path.charCodeAt(0))
    if (!node) return void this.#below.set(path.charCodeAt(0), new PathTree(path, [rule]))
    let shared = 0
    while (shared < node.#label.length && node.#label[shared] === path[shared]) shared++
    if (shared < node.#label.length) node.#split(shared)
    node.add(path.slice(shared), rule)
  }

  /** Adds the lists of all nodes on the way of a path. */
  collect(path: string, lists: (readonly number[])[]): void {
    if (this.#rules.length > 0) lists.push(this.#rules)
    let at = 0
    let node = this.#below.get(path.charCodeAt(0))
    while (node && path.startsWith(node.#label, at)) {
      if (node.#rules.length > 0) lists.push(node.#rules)
      at += node.#label.length
      node = node.#below.get(path.charCodeAt(at))
    }
  }

  #split(at: number): void {
    const rest = new PathTree(this.#label.slice(at), this.#rules, this.#below)
    this.#below = new Map([[rest.#label.charCodeAt(0), rest]])
    this.#label = this.#label.slice(0, at)
    this.#rules = []
  }
}
