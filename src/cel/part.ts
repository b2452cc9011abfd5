import type { FieldUse } from './field.ts'
import type { Type } from './type.ts'
import { EvaluationError, typeName, Unanswerable, type Value } from './value.ts'

/** Gives for a field what reads it of a subject: a request, as whoever asks knows it. */
export type FieldReader<S> = (field: FieldUse) => (subject: S) => Value

/** One evaluation: what it is about, the elements that macros are at, and how much work is left. */
export interface Frame {
  readonly subject: unknown
  readonly elements: Value[]
  work: number
}

/** A part of an expression that is ready to be evaluated. */
export interface Part {
  readonly type: Type
  run(frame: Frame): Value
}

/** What a part is compiled with: the fields, and the elements that macros have named. */
export interface Scope {
  readonly reader: FieldReader<never>
  readonly elements: readonly { readonly name: string; readonly type: Type }[]
}

/** Whether a value may be of the type, as far as is known. */
export function isA(type: Type, is: Type['is']): boolean {
  return type.is === is || type.is === 'any'
}

export function truth(value: Value, user: string): boolean {
  if (typeof value === 'boolean') return value
  throw new EvaluationError(`${user} expects true or false and got ${typeName(value)}`)
}

/** Counts work. Throws `Unanswerable` when there was too much. */
export function charge(frame: Frame, work: number): void {
  frame.work -= work
  if (frame.work < 0) throw new Unanswerable('the expression takes too long for this request')
}

/** Whether an error says no more than that the expression means nothing here. Throws all others. */
export function asFailure(error: unknown): EvaluationError {
  if (error instanceof EvaluationError && !(error instanceof Unanswerable)) return error
  throw error
}
