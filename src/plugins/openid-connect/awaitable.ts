import type { Awaitable } from '../../pdk.ts'

/** Goes on with a value, at once if it is there: what can be done without a promise is. (A module that exports `then` is a promise to `import`.) */
export function andThen<T, U>(value: Awaitable<T>, go: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(go) : go(value)
}
