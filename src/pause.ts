/** Milliseconds. */
const LENGTH = 1_000

/** Whom nobody could reach in time is left alone for a second, so that requests do not wait one after the other. */
export class Pause {
  #until = 0
  #reason: Error | undefined

  begin(reason: Error): void {
    this.#until = performance.now() + LENGTH
    this.#reason = reason
  }

  /** Throws the reason while it lasts. */
  check(): void {
    if (this.#reason && performance.now() < this.#until) throw this.#reason
    this.#reason = undefined
  }
}
