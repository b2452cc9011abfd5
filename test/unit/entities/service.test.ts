import { expect, test } from 'bun:test'
import { service } from '../../../src/entities/index.ts'
import { check } from '../../../src/schema/check.ts'

const ID = '2933fbcc-9d7c-54a7-a984-fe2bde836cea'

function checked(input: Record<string, unknown>) {
  const { value, faults } = check(service, { id: ID, ...input })
  return value ?? faults!.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test("a service has Kong's defaults", () => {
  const given = JSON.parse(JSON.stringify(checked({ host: 'example.com' })))
  expect(given).toEqual({
    id: ID,
    host: 'example.com',
    protocol: 'http',
    port: 80,
    retries: 5,
    enabled: true,
    connect_timeout: 60000,
    write_timeout: 60000,
    read_timeout: 60000,
  })
})

// prettier-ignore
test.each([
  ['http://example.com',                'http',   'example.com', 80,    undefined],
  ['https://example.com',               'https',  'example.com', 443,   undefined],
  ['http://example.com:8080/a/b',       'http',   'example.com', 8080,  '/a/b'],
  ['https://example.com:8443/',         'https',  'example.com', 8443,  '/'],
  ['http://user:pass@example.com/a',    'http',   'example.com', 80,    '/a'],
  ['http://example.com/a?b=c#d',        'http',   'example.com', 80,    '/a'],
  ['http://[::1]:8080/a',               'http',   '::1',         8080,  '/a'],
  ['http://10.0.0.1',                   'http',   '10.0.0.1',    80,    undefined],
  ['http://under_score.internal',       'http',   'under_score.internal', 80, undefined],
])('url %s', (url, protocol, host, port, path) => {
  expect(checked({ url })).toMatchObject({ protocol, host, port, path })
  const parts = { protocol: 'https', host: 'other.com', port: 1, path: '/other' }
  expect(checked({ ...parts, url })).toMatchObject({ protocol, host, port, path })
})

const NO_URL = 'url: expected a URL with a scheme and a host, such as http://example.com:80/path'

// prettier-ignore
test.each([
  [{ url: 'example.com' },                              [NO_URL]],
  [{ url: 'http:///path' },                             [NO_URL]],
  [{ url: 'http://a b' },                               ['url: host: invalid value: a b']],
  [{ url: 'http://a:1:2' },                             ['url: host: must not have a port']],
  [{},                                                  ['host: required field missing']],
  [{ host: 'a:80' },                                    ['host: must not have a port']],
  [{ host: 'a:99999' },                                 ['host: must not have a port']],
  [{ host: '10.0.0.256' },                              ['host: invalid value: 10.0.0.256']],
  [{ host: '*.a' },                                     ['host: invalid value: *.a']],
  [{ host: 'a-.b' },                                    ['host: invalid value: a-.b']],
  [{ host: 'a..b' },                                    ['host: invalid value: a..b']],
  [{ host: 'a\r\nb' },                                  ['host: invalid value: a\r\nb']],
  [{ host: 'a', port: 65536 },                          ['port: value should be between 0 and 65535']],
  [{ host: 'a', port: 80.5 },                           ['port: expected an integer']],
  [{ host: 'a', path: 'b' },                            ['path: should start with: /']],
  [{ host: 'a', path: '/b//c' },                        ['path: must not have empty segments']],
  [{ host: 'a', path: '/b c' },                         ["path: invalid path: '/b c' (characters outside of the reserved list of RFC 3986 found)"]],
  [{ host: 'a', path: '/%2' },                          ["path: invalid url-encoded value: '%2'"]],
  [{ host: 'a', retries: 32768 },                       ['retries: value should be between 0 and 32767']],
  [{ host: 'a', read_timeout: 0 },                      ['read_timeout: value should be between 1 and 2147483646']],
  [{ host: 'a', name: 'a/b' },                          ["name: invalid value 'a/b': the only accepted ascii characters are alphanumerics or ., -, _, and ~"]],
  [{ host: 'a', tags: ['a,b'] },                        ["tags.0: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"]],
  [{ host: 'a', id: '1' },                              ['id: expected a valid UUID']],
  [{ host: 'a', protocol: 'grpc' },                     ['protocol: services with protocol grpc are not supported yet; http and https are']],
  [{ host: 'a', tls_verify: true },                     ['tls_verify: value must be null', ": failed conditional validation given value of field 'protocol'"]],
])('%j is refused', (input, faults) => {
  expect(checked(input)).toEqual(faults)
})

// prettier-ignore
test.each([
  [{ host: 'a.' }], [{ host: '::1' }], [{ host: '[::1]' }], [{ host: 'xn--caf-dma.fr' }],
  [{ host: 'a', path: "/a:b@c!$&'()*+,;=%20" }], [{ host: 'a', name: 'größe~1' }], [{ host: 'a', tags: ['a b', 'é'] }],
  [{ host: 'a', protocol: 'https', tls_verify: false, tls_verify_depth: 2 }], [{ host: 'a', retries: null, path: null }],
])('%j is accepted', (input) => {
  expect(checked(input)).toMatchObject({ id: ID })
})
