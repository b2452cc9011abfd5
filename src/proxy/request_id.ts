import { randomBytes } from 'node:crypto'

const BATCH = 256

/** Makes request ids: 32 hexadecimal digits, drawn in batches because one draw costs as much as many. */
export function requestIds(): () => string {
  let digits = ''
  let at = 0
  return () => {
    if (at === digits.length) [digits, at] = [randomBytes(16 * BATCH).toString('hex'), 0]
    at += 32
    return digits.slice(at - 32, at)
  }
}
