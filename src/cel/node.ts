/** The operators between two values, but for `&&` and `||`. */
export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | '+'

/** A part of an expression, with the place where it begins. */
export type Node =
  | {
      readonly is: 'literal'
      readonly at: number
      readonly value: string | number | boolean | null
    }
  | { readonly is: 'name'; readonly at: number; readonly name: string }
  | { readonly is: 'member'; readonly at: number; readonly of: Node; readonly name: string }
  | { readonly is: 'index'; readonly at: number; readonly of: Node; readonly key: Node }
  | {
      readonly is: 'call'
      readonly at: number
      /** What stands before the dot, if anything. */
      readonly on: Node | undefined
      readonly name: string
      readonly args: readonly Node[]
    }
  | { readonly is: 'list'; readonly at: number; readonly items: readonly Node[] }
  | { readonly is: 'not'; readonly at: number; readonly of: Node }
  | {
      readonly is: 'both' | 'either'
      readonly at: number
      readonly left: Node
      readonly right: Node
    }
  | {
      readonly is: 'binary'
      readonly at: number
      readonly operator: Operator
      readonly left: Node
      readonly right: Node
    }
  | {
      readonly is: 'choice'
      readonly at: number
      readonly test: Node
      readonly yes: Node
      readonly no: Node
    }

/** An expression that cannot be read, or that means nothing; its message says why and where. */
export class CelError extends Error {
  override readonly name = 'CelError'
  constructor(message: string, at: number) {
    super(`${message}, at character ${at + 1} of the expression`)
  }
}
