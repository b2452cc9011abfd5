/** Whether a text is a reference to a vault, as Kong writes them: `{vault://env/secret}`. */
export function isVaultReference(text: string): boolean {
  return /^\{vault:\/\/.*\}$/s.test(text)
}
