/** Gives the message if `realm` would end the quoted string that `WWW-Authenticate` carries it in, or the header. */
export function badRealm(realm: string): string | undefined {
  return /^[ !#-[\]-~]+$/.test(realm) ? undefined : 'expected visible ASCII without quotes'
}
