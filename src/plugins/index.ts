import type { Plugin } from '../pdk.ts'
import { acl } from './acl/index.ts'
import { basicAuth } from './basic-auth/index.ts'
import { correlationId } from './correlation-id/index.ts'
import { cors } from './cors/index.ts'
import { fileLog } from './file-log/index.ts'
import { httpLog } from './http-log/index.ts'
import { ipRestriction } from './ip-restriction/index.ts'
import { jwt } from './jwt/index.ts'
import { keyAuth } from './key-auth/index.ts'
import { mtlsAuth } from './mtls-auth/index.ts'
import { oauth2 } from './oauth2/index.ts'
import { openidConnect } from './openid-connect/index.ts'
import { prometheus } from './prometheus/index.ts'
import { rateLimiting } from './rate-limiting/index.ts'
import { requestSizeLimiting } from './request-size-limiting/index.ts'
import { requestTermination } from './request-termination/index.ts'
import { requestTransformer } from './request-transformer/index.ts'
import { responseTransformer } from './response-transformer/index.ts'
import { tlsHandshakeModifier } from './tls-handshake-modifier/index.ts'

/** Every plugin there is, by the name that `kong.yaml` uses. */
export const plugins: ReadonlyMap<string, Plugin> = new Map(
  [
    acl,
    basicAuth,
    correlationId,
    cors,
    fileLog,
    httpLog,
    ipRestriction,
    jwt,
    keyAuth,
    mtlsAuth,
    oauth2,
    openidConnect,
    prometheus,
    rateLimiting,
    requestSizeLimiting,
    requestTermination,
    requestTransformer,
    responseTransformer,
    tlsHandshakeModifier,
  ].map((plugin): [string, Plugin] => [plugin.name, plugin]),
)
