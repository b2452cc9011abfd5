// A provider behind TLS, whose certificate only one authority vouches for.

import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Issuer {
  readonly url: string
  /** The certificate of the authority, as a PEM file. */
  readonly authority: string
  /** How many tokens it has given. */
  tokens(): number
  stop(): Promise<void>
}

/** Starts it on loopback; keys and certificates are made anew in the folder. */
export async function startIssuer(folder: string): Promise<Issuer> {
  const authority = join(folder, 'authority.pem')
  const files = { cert: join(folder, 'issuer.pem'), key: join(folder, 'issuer.key') }
  const authorityKey = join(folder, 'authority.key')
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ]
  await openssl(
    ...request,
    '-subj',
    '/CN=Test authority',
    '-keyout',
    authorityKey,
    '-out',
    authority,
  )
  // prettier-ignore
  await openssl(
    ...request, '-subj', '/CN=localhost', '-CA', authority, '-CAkey', authorityKey,
    '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE',
    '-keyout', files.key, '-out', files.cert,
  )

  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }]
  let tokens = 0
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert: Bun.file(files.cert), key: Bun.file(files.key) },
    routes: {
      '/.well-known/openid-configuration': ({ url }) => {
        const { origin } = new URL(url)
        return Response.json({
          issuer: origin,
          token_endpoint: `${origin}/token`,
          jwks_uri: `${origin}/keys`,
          id_token_signing_alg_values_supported: ['RS256'],
        })
      },
      '/keys': () => Response.json({ keys }),
      '/token': async ({ url }) => {
        tokens++
        const token = await new SignJWT({ sub: 'alex', aud: 'kong' })
          .setProtectedHeader({ alg: 'RS256', kid: 'one' })
          .setIssuer(new URL(url).origin)
          .setIssuedAt()
          .setExpirationTime('5m')
          .sign(privateKey)
        return Response.json({ access_token: token, token_type: 'Bearer', expires_in: 300 })
      },
    },
    fetch: () => new Response(null, { status: 404 }),
  })
  return {
    url: `https://localhost:${server.port}`,
    authority,
    tokens: () => tokens,
    stop: () => server.stop(true),
  }
}

async function openssl(...args: string[]): Promise<void> {
  const child = Bun.spawn(['openssl', ...args], { stdout: 'ignore', stderr: 'pipe' })
  const said = await child.stderr.text()
  if ((await child.exited) !== 0) throw new Error(`openssl ${args[0]} failed: ${said}`)
}
