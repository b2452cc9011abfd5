import type { Awaitable } from '../../pdk.ts'

/** Goes on with a value, at once if it is there: what can be done without a promise is. */
export function then<T, U>(value: Awaitable<T>, go: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(go) : go(value)
}
