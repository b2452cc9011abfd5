/**
 * Where sessions are kept that are not in the cookie. Keys are ASCII of at most 150 characters, without blanks; values
 * are sealed bytes of at most 1 MiB. Each method rejects where the storage cannot be asked: "not found" and "could not ask" must not be
 * mixed up, since the first begins a login and the second would begin one for ever.
 */
export interface SessionStorage {
  get(key: string): Promise<Uint8Array | undefined>
  /**
   * Puts a value in the place of another, for `ttl` whole seconds (0: without an end). `owners` are names, of the kind
   * that keys are, under which `find` lists the key for as long: the same at every `set` of one key. With `isThere` only
   * what is still there is replaced, so that nothing comes back that another node has ended. Gives whether it was put.
   */
  set(
    key: string,
    value: Uint8Array,
    ttl: number,
    owners: readonly string[],
    isThere?: boolean,
  ): Promise<boolean>
  /** Lets a value end after `ttl` seconds, if it would not end before; nothing where there is none. */
  shorten(key: string, ttl: number): Promise<void>
  /** Drops a value, and its key under those owners. */
  delete(key: string, owners: readonly string[]): Promise<void>
  /**
   * The keys that stand under an owner. Some may have ended since. A storage may list the newest thousand only; one key
   * more or less where two are written at once is a fault.
   */
  find(owner: string): Promise<readonly string[]>
}
