import type { Deck, Entity } from './how_to.ts'

/** All blocks that `deck gateway apply` was given, of which a later one replaces the entities that it names again. */
export class Applied {
  readonly #blocks: Deck[] = []
  readonly #left: ReadonlySet<string>

  /** `left` are the plugins that are left out. */
  constructor(left: ReadonlySet<string> = new Set()) {
    this.#left = left
  }

  apply(block: Deck): void {
    for (const [i, before] of this.#blocks.entries())
      this.#blocks[i] = mapEntities(before, (collection, entity) => !has(block, collection, entity))
    this.#blocks.push(
      mapEntities(
        block,
        (collection, { name }) => collection !== 'plugins' || !this.#left.has(`${name}`),
      ),
    )
  }

  /** All that was applied, as one block. */
  get whole(): Deck {
    const whole: Record<string, string | readonly Entity[]> = {}
    for (const block of this.#blocks)
      for (const [collection, entities] of Object.entries(block)) {
        const before = whole[collection]
        whole[collection] =
          Array.isArray(before) && Array.isArray(entities) ? [...before, ...entities] : entities
      }
    return whole
  }
}

function mapEntities(block: Deck, isKept: (collection: string, entity: Entity) => boolean): Deck {
  const entries = Object.entries(block).map(([collection, entities]) => [
    collection,
    typeof entities === 'string'
      ? entities
      : entities.filter((entity) => isKept(collection, entity)),
  ])
  return Object.fromEntries(entries)
}

function has(block: Deck, collection: string, entity: Entity): boolean {
  const entities = block[collection]
  if (!Array.isArray(entities)) return false
  const sought = identity(collection, entity)
  return entities.some((each) => identity(collection, each) === sought)
}

/** What tells an entity from the others of its kind: of a plugin also where it is. */
function identity(collection: string, entity: Entity): string {
  const { id, name, username, service, route, consumer } = entity
  const called = name ?? username ?? id
  return JSON.stringify(collection === 'plugins' ? [called, service, route, consumer] : called)
}
