/**
 * A list of groups as a header's value: UTF-8, a byte a character. Nothing if there are none, or if a name from a token
 * holds what could begin a field of its own.
 */
export function groupsValue(groups: readonly string[]): string | undefined {
  const bytes = Buffer.from(groups.join(', ')).toString('latin1')
  return bytes === '' || /[\x00-\x1f\x7f]/.test(bytes) ? undefined : bytes
}
