import { expect, test } from 'bun:test'
import { secretHeadersOf } from '../../../../src/plugins/openid-connect/places.ts'

test('headers of the client that the provider is sent are shown to nobody', () => {
  const config = {
    introspection_headers_client: ['x-tenant-proof'],
    token_headers_client: ['x-device'],
    introspection_post_args_client_headers: ['x-other'],
    token_headers_names: ['x-of-the-operator'],
    upstream_access_token_header: 'x-own',
  }
  expect(secretHeadersOf(config)).toEqual(['x-tenant-proof', 'x-device', 'x-other', 'x-own'])
})
