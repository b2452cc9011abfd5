import { expect, test } from 'bun:test'
import { openidConnect } from '../../../../src/plugins/openid-connect/index.ts'
import {
  secretArgumentsOf,
  secretHeadersOf,
} from '../../../../src/plugins/openid-connect/places.ts'
import { testGateway } from '../context.ts'
import { configure } from './plugin.ts'

test('headers of the client that the provider is sent are shown to nobody', () => {
  const config = {
    introspection_headers_client: ['x-tenant-proof'],
    token_headers_client: ['x-device'],
    introspection_post_args_client_headers: ['x-other'],
    token_headers_names: ['x-of-the-operator'],
    upstream_access_token_header: 'x-own',
    token_post_args_client: ['otp'],
  }
  expect(secretHeadersOf(config)).toEqual(['x-tenant-proof', 'x-device', 'x-other', 'x-own', 'otp'])
})

test('arguments of the client that the provider is sent are shown to nobody', () => {
  const config = {
    token_post_args_client: ['otp'],
    introspection_post_args_client: ['proof'],
    userinfo_query_args_client: ['pin'],
    authorization_query_args_client: ['hint'],
    token_post_args_names: ['of-the-operator'],
  }
  expect(secretArgumentsOf(config)).toEqual(['otp', 'proof', 'pin', 'hint'])
  const plugin = openidConnect.create(configure(config), testGateway({}))
  expect(plugin.secretArguments).toEqual(expect.arrayContaining(['otp', 'proof', 'pin', 'hint']))
})
