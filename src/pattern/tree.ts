import type { CharSet } from './charset.ts'

/** What is true of a place between two characters. */
export type Assertion =
  | 'textStart'
  | 'textEnd'
  /** PCRE's `$`: also before a line break that ends the text. */
  | 'textEndOrBreak'
  | 'lineStart'
  | 'lineEnd'
  | 'word'
  | 'noWord'

/** A regular expression, read. */
export type Tree =
  | { readonly is: 'set'; readonly set: CharSet }
  | { readonly is: 'assertion'; readonly assertion: Assertion }
  | { readonly is: 'sequence'; readonly parts: readonly Tree[] }
  | { readonly is: 'choice'; readonly parts: readonly Tree[] }
  | {
      readonly is: 'repeat'
      readonly part: Tree
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }
  | {
      readonly is: 'group'
      readonly part: Tree
      readonly number: number
      readonly name: string | undefined
    }

/** Whether a match can only begin where the text does. */
export function isAnchored(tree: Tree): boolean {
  switch (tree.is) {
    case 'set':
      return false
    case 'assertion':
      return tree.assertion === 'textStart'
    case 'sequence':
      return tree.parts.some(
        (part, i) => isAnchored(part) && tree.parts.slice(0, i).every(isZeroWidth),
      )
    case 'choice':
      return tree.parts.every(isAnchored)
    case 'repeat':
      return tree.min > 0 && isAnchored(tree.part)
    case 'group':
      return isAnchored(tree.part)
  }
}

function isZeroWidth(tree: Tree): boolean {
  return tree.is === 'assertion' || (tree.is === 'sequence' && tree.parts.every(isZeroWidth))
}

/** Whether it can match without any character. */
export function canBeEmpty(tree: Tree): boolean {
  switch (tree.is) {
    case 'set':
      return false
    case 'assertion':
      return true
    case 'sequence':
      return tree.parts.every(canBeEmpty)
    case 'choice':
      return tree.parts.some(canBeEmpty)
    case 'repeat':
      return tree.min === 0 || canBeEmpty(tree.part)
    case 'group':
      return canBeEmpty(tree.part)
  }
}

/** The characters that every match begins with. */
export function literalPrefix(tree: Tree): string {
  return prefixOf(tree).text
}

/** `whole`: whether the prefix is all of it, so that what follows may be added. */
function prefixOf(tree: Tree): { text: string; whole: boolean } {
  switch (tree.is) {
    case 'set':
      return { text: tree.set.single ?? '', whole: tree.set.single !== undefined }
    case 'assertion':
      return { text: '', whole: true }
    case 'sequence': {
      let text = ''
      for (const part of tree.parts) {
        const prefix = prefixOf(part)
        text += prefix.text
        if (!prefix.whole) return { text, whole: false }
      }
      return { text, whole: true }
    }
    case 'choice':
      return { text: commonPrefix(tree.parts.map(literalPrefix)), whole: false }
    case 'repeat':
      return { text: tree.min > 0 ? literalPrefix(tree.part) : '', whole: false }
    case 'group':
      return prefixOf(tree.part)
  }
}

function commonPrefix(texts: readonly string[]): string {
  const [first = '', ...others] = texts
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}
