import { expect, test } from 'bun:test'
import { isKongConf, loadConf, variableOf } from '../../src/conf.ts'
import { printFaults } from '../../src/declarative/faults.ts'

function conf(env: Record<string, string>, text?: string) {
  const loaded = loadConf({ env, ...(text !== undefined && { file: { name: 'kong.conf', text } }) })
  if (loaded.faults) throw new Error(printFaults(loaded.faults))
  return loaded
}

function faults(env: Record<string, string>, text = '') {
  return printFaults(loadConf({ env, file: { name: 'kong.conf', text } }).faults ?? [])
}

const address = (host: string, port: number) => ({ host, port })

test('without settings it listens on all addresses, and tells its health to this machine alone', () => {
  expect(conf({}).conf).toMatchObject({
    proxy_listen: [address('0.0.0.0', 8000), address('::', 8000)],
    status_listen: [address('127.0.0.1', 8007)],
    log_level: 'notice',
    proxy_access_log: '/dev/stdout',
    proxy_error_log: '/dev/stderr',
    declarative_config: undefined,
    declarative_config_string: undefined,
    plugins: ['bundled'],
    trusted_ips: [],
    client_max_body_size: 0,
  })
  expect(conf({}).warnings).toEqual([])
})

// prettier-ignore
test.each([
  ['proxy_listen',              '127.0.0.1:9000 reuseport backlog=16384',  [{ ...address('127.0.0.1', 9000), reusePort: true }]],
  ['proxy_listen',              '0.0.0.0:8443 http2 ssl reuseport',        [{ ...address('0.0.0.0', 8443), http2: true, ssl: true, reusePort: true }]],
  ['proxy_listen',              '*:80 proxy_protocol deferred bind',       [{ ...address('0.0.0.0', 80), proxyProtocol: true }]],
  ['proxy_listen',              '[::]:80 ipv6only=off so_keepalive=30m::10', [{ ...address('::', 80), ipv6Only: false, keepAlive: 1800 }]],
  ['proxy_listen',              'localhost:80 so_keepalive=on',            [{ ...address('localhost', 80), keepAlive: 0 }]],
  ['proxy_listen',              'unix:/run/gatehouse.sock ssl',            [{ host: '', port: 0, unix: '/run/gatehouse.sock', ssl: true }]],
  ['proxy_listen',              'off',                                     []],
  ['proxy_listen',              '[::1]:9000, localhost:9001, *:0',         [address('::1', 9000), address('localhost', 9001), address('0.0.0.0', 0)]],
  ['status_listen',             'off',                                     []],
  ['log_level',                 'debug',                                   'debug'],
  ['log_level',                 'emerg',                                   'error'],
  ['proxy_access_log',          'stdout',                                  '/dev/stdout'],
  ['proxy_error_log',           'stderr',                                  '/dev/stderr'],
  ['proxy_access_log',          'off',                                     'off'],
  ['proxy_access_log',          '/var/log/access.log custom',              '/var/log/access.log'],
  ['declarative_config',        '/etc/kong.yaml',                          '/etc/kong.yaml'],
  ['declarative_config_string', '{"_format_version":"3.0"}',               '{"_format_version":"3.0"}'],
  ['plugins',                   'bundled, mine',                           ['bundled', 'mine']],
  ['headers',                   'off',                                     new Set()],
  ['headers',                   'Via, X-Kong-Upstream-Status',             new Set(['via', 'x-kong-upstream-status'])],
  ['headers',                   'server_tokens',                           new Set(['server', 'via'])],
  ['trusted_ips',               '10.0.0.0/8,::1, 127.0.0.1',               ['10.0.0.0/8', '::1', '127.0.0.1']],
  ['real_ip_header',            'X-Forwarded-For',                         'x-forwarded-for'],
  ['real_ip_header',            'proxy_protocol',                          'proxy_protocol'],
  ['port_maps',                 '80:8000, 443:8443',                       new Map([[8000, 80], [8443, 443]])],
  ['ssl_cert',                  '/a.pem, /b.pem',                          ['/a.pem', '/b.pem']],
  ['ssl_protocols',             'TLSv1.3 TLSv1.2',                         [0x0303, 0x0304]],
  ['ssl_cipher_suite',          'modern',                                  'modern'],
  ['real_ip_recursive',         'on',                                      true],
  ['lua_ssl_trusted_certificate', 'system,/ca.pem',                        ['system', '/ca.pem']],
  ['upstream_keepalive_pool_size', '0',                                    0],
  ['router_flavor',             'expressions',                             'expressions'],
  ['compat',                    '3.10',                                    '3.10'],
  ['dns_resolver',              '192.0.2.1, [::1]:5353, 192.0.2.1:53',     ['192.0.2.1', '[::1]:5353', '192.0.2.1:53']],
  ['dns_order',                 'last,aaaa',                               ['LAST', 'AAAA']],
  ['dns_valid_ttl',             '60',                                      60],
  ['dns_stale_ttl',             '0',                                       0],
  ['allow_debug_header',        'on',                                      true],
  ['error_default_type',        'application/json',                        'application/json'],
  ['error_template_json',       '/etc/error.json',                         '/etc/error.json'],
  ['node_id',                   '11111111-2222-3333-4444-555555555555',    '11111111-2222-3333-4444-555555555555'],
  ['oidc_password_attempts',    '5',                                       5],
  ['vault_env_prefix',          'SECRET_',                                 'SECRET_'],
  ['vault_env_decode_base64',   'on',                                      true],
  ['vault_fs_decode_base64',    'on',                                      true],
  ['vault_fs_prefix',           '/run/secrets',                            '/run/secrets'],
  ['declarative_dialect',       'deck',                                    'deck'],
])('%s = %s', (name, text, value) => {
  expect(conf({}, `${name} = ${text}`).conf[name as 'headers']).toEqual(value as never)
  expect(conf({ [variableOf(name)]: text }).conf[name as 'headers']).toEqual(value as never)
})

// prettier-ignore
test.each([
  ['0', 0], ['100', 100], ['8k', 8192], ['8M', 8 * 1024 ** 2], ['1g', 1024 ** 3],
])("nginx's size %s is %d bytes", (text, bytes) => {
  expect(conf({ KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: text }).conf.client_max_body_size).toBe(bytes)
})

test('the environment goes before the file, and the file before the default', () => {
  const { conf: read } = conf(
    { KONG_LOG_LEVEL: 'warn' },
    'log_level = debug\nproxy_access_log = off',
  )
  expect(read).toMatchObject({
    log_level: 'warn',
    proxy_access_log: 'off',
    proxy_error_log: '/dev/stderr',
  })
})

test('a log with a relative path is in the prefix', () => {
  expect(
    conf({ KONG_PREFIX: '/opt/kong', KONG_PROXY_ERROR_LOG: 'logs/error.log' }).conf.proxy_error_log,
  ).toBe('/opt/kong/logs/error.log')
})

test('comments, blanks and escaped number signs of a kong.conf', () => {
  const text =
    '# a comment\n\n  log_level=info  # why\r\ndeclarative_config = /a\\#b.yaml\n#headers = off'
  expect(conf({}, text).conf).toMatchObject({ log_level: 'info', declarative_config: '/a#b.yaml' })
})

test('a variable that is empty is not set', () => {
  expect(conf({ KONG_PROXY_LISTEN: '', KONG_LOG_LEVEL: ' ' }).conf.log_level).toBe('notice')
})

test('what Kong knows and has no effect here is said once, by name', () => {
  const env = {
    KONG_NGINX_WORKER_PROCESSES: '2',
    KONG_PG_HOST: 'db',
    KONG_PG_PORT: '5432',
    KONG_PROXY_PORT: 'tcp://10.0.0.1:80',
    KONG_SMTP_MOCK: 'off',
    KONG_VAULT_HCV_HOST: 'vault',
    KONG_DATABASE: 'off',
    KONG_ADMIN_LISTEN: 'off',
  }
  expect(conf(env).warnings).toEqual([
    'settings without effect here: nginx_worker_processes, pg_host, pg_port, smtp_mock, vault_hcv_host',
  ])
})

test("nginx's word for the certificates of services is one of ours", () => {
  const env = { KONG_NGINX_PROXY_PROXY_SSL_VERIFY: 'on' }
  expect(conf(env).conf.tls_certificate_verify).toBe(true)
  expect(conf({ ...env, KONG_TLS_CERTIFICATE_VERIFY: 'off' }).conf.tls_certificate_verify).toBe(
    false,
  )
})

test('flags without an effect are said once for each setting', () => {
  const env = {
    KONG_PROXY_LISTEN: '0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl backlog=16384',
    KONG_STATUS_LISTEN: '0.0.0.0:8100 deferred reuseport',
  }
  expect(conf(env).warnings).toEqual([
    'proxy_listen: without effect here: backlog=16384',
    'status_listen: without effect here: deferred, reuseport',
  ])
})

test('a format or level after the path of a log is said', () => {
  const text =
    'proxy_access_log = /a.log custom_fmt buffer=32k\nproxy_error_log = /dev/stderr debug'
  const read = conf({}, text)
  expect(read.conf).toMatchObject({ proxy_access_log: '/a.log', proxy_error_log: '/dev/stderr' })
  expect(read.warnings).toEqual([
    'proxy_access_log: without effect here: custom_fmt, buffer=32k',
    'proxy_error_log: without effect here: debug',
  ])
})

test.each(['proxy_access_log', 'proxy_error_log'])('%s is no syslog and no memory', (name) => {
  const expected = 'is not supported; expected a file, /dev/stdout, /dev/stderr or off'
  const value = 'syslog:server=127.0.0.1:514,tag=kong'
  expect(faults({ [variableOf(name)]: value })).toBe(`${variableOf(name)}: syslog ${expected}`)
  expect(faults({}, `${name} = memory:32m debug`)).toBe(`kong.conf:1:1 ${name}: memory ${expected}`)
})

test('an address to be believed that nobody would give is said', () => {
  const env = { KONG_REAL_IP_HEADER: 'proxy_protocol' }
  const unused = 'real_ip_header: no address of proxy_listen has the flag proxy_protocol'
  expect(conf(env).warnings).toEqual([unused])
  expect(conf({ ...env, KONG_PROXY_LISTEN: '*:80 proxy_protocol' }).warnings).toEqual([])
})

test('a setting that nobody knows is said, with what was meant', () => {
  expect(conf({ KONG_LOG_LEVL: 'debug', KONG_XYZZY: '1' }).warnings).toEqual([
    'unknown setting log_levl; did you mean log_level?',
    'unknown setting xyzzy',
  ])
})

test("a setting of ours is a variable of our name, and one of Kong's of theirs", () => {
  const env = { GATEHOUSE_COMPAT: '3.10', GATEHOUSE_LOG_LEVEL: 'debug', KONG_COMPAT: '3.4' }
  const { conf: read, warnings } = conf(env)
  expect(read).toMatchObject({ compat: '3.10', log_level: 'notice' })
  expect(warnings).toEqual([
    'unknown setting GATEHOUSE_LOG_LEVEL; did you mean KONG_LOG_LEVEL?',
    'unknown setting KONG_COMPAT; did you mean GATEHOUSE_COMPAT?',
  ])
})

test("what Kubernetes and Kong's image put into the environment are no settings", () => {
  const env = {
    KONG_PROXY_SERVICE_HOST: '10.0.0.1',
    KONG_PROXY_PORT_80_TCP_ADDR: '10.0.0.1',
    KONG_PROXY_PORT: 'tcp://10.0.0.1:80',
    KONG_VERSION: '3.10.0',
    PATH: '/bin',
  }
  expect(conf(env).warnings).toEqual([])
})

// prettier-ignore
test.each([
  ['proxy_listen = 0.0.0.0:8443 quic',         'kong.conf:1:1 proxy_listen: HTTP/3 is not spoken here; remove quic'],
  ['proxy_listen = unix:a.sock',               'kong.conf:1:1 proxy_listen: "unix:a.sock" needs the whole path of its socket'],
  [`proxy_listen = unix:/${'a'.repeat(107)}`,  `kong.conf:1:1 proxy_listen: the path in "unix:/${'a'.repeat(107)}" is too long`],
  ['proxy_listen = 0.0.0.0:80 backlog=many',   'kong.conf:1:1 proxy_listen: unknown flag "backlog=many"'],
  ['status_listen = *:8007 proxy_protocol',     'kong.conf:1:1 status_listen: proxy_protocol is not supported here; remove it'],
  ['status_listen = unix:/a.sock http2',        'kong.conf:1:1 status_listen: http2 is not supported on a Unix socket here; remove it'],
  ['status_ssl_cert = /a.crt, /b.crt',         'kong.conf:1:1 status_ssl_cert: expected one, not a list'],
  ['port_maps = 80',                           'kong.conf:1:1 port_maps: "80" is no pair of ports, such as 80:8000'],
  ['port_maps = 80:80000',                     'kong.conf:1:1 port_maps: "80:80000" is no pair of ports, such as 80:8000'],
  ['ssl_protocols = SSLv3',                    'kong.conf:1:1 ssl_protocols: "SSLv3" is none of: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3'],
  ['ssl_protocols = TLSv1.1 TLSv1.3',          'kong.conf:1:1 ssl_protocols: a version between two others cannot be left out'],
  ['dns_resolver = localhost',                 'kong.conf:1:1 dns_resolver: "localhost" is no address of a name server, such as 192.0.2.1:53'],
  ['dns_order = LAST, MX',                     'kong.conf:1:1 dns_order: expected one of: LAST, SRV, A, AAAA, CNAME'],
  ['error_default_type = image/png',           'kong.conf:1:1 error_default_type: expected one of: text/plain, text/html, application/json, application/xml'],
  ['explain_key = short',                      'kong.conf:1:1 explain_key: expected at least 32 characters'],
  ['node_id = 1',                              'kong.conf:1:1 node_id: expected a UUID'],
  ['ssl_cipher_suite = fips',                  'kong.conf:1:1 ssl_cipher_suite: expected one of: modern, intermediate, old, custom'],
  ['proxy_listen = 8000',                      'kong.conf:1:1 proxy_listen: "8000" is no address; write it as 0.0.0.0:8000 or [::]:8000, or off'],
  ['proxy_listen = 0.0.0.0:80000',             'kong.conf:1:1 proxy_listen: "0.0.0.0:80000" is no address; write it as 0.0.0.0:8000 or [::]:8000, or off'],
  ['proxy_listen = [::x]:80',                  'kong.conf:1:1 proxy_listen: "[::x]:80" is no address; write it as 0.0.0.0:8000 or [::]:8000, or off'],
  ['proxy_listen = 0.0.0.0:80 fast',           'kong.conf:1:1 proxy_listen: unknown flag "fast"'],
  ['admin_listen = 127.0.0.1:8001',            'kong.conf:1:1 admin_listen: the Admin API is not supported yet; remove it, or set it to off'],
  ['database = postgres',                      'kong.conf:1:1 database: there is no database; the configuration is a file; remove it, or set it to off'],
  ['router_flavor = expression',               'kong.conf:1:1 router_flavor: expected one of: traditional_compatible, expressions, traditional; did you mean "expressions"?'],
  ['compat = 3.3',                             'kong.conf:1:1 compat: expected one of: 3.4, 3.5, 3.6, 3.7, 3.8, 3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15; did you mean "3.4"?'],
  ['declarative_dialect = dec',                'kong.conf:1:1 declarative_dialect: expected one of: union, kong, deck; did you mean "deck"?'],
  ['role = data_plane',                        'kong.conf:1:1 role: control planes and data planes are not supported yet; remove it, or set it to traditional'],
  ['proxy_server = http://proxy:3128',         'kong.conf:1:1 proxy_server: a proxy towards the internet is not supported yet; remove it'],
  ['log_level = notce',                        'kong.conf:1:1 log_level: expected one of: debug, info, notice, warn, error; did you mean "notice"?'],
  ['trusted_ips = 10.0.0.0/33',                'kong.conf:1:1 trusted_ips: "10.0.0.0/33" is no address and no block of addresses, such as 10.0.0.0/8'],
  ['real_ip_recursive = maybe',                'kong.conf:1:1 real_ip_recursive: expected on or off'],
  ['headers = via, X-Mine',                    'kong.conf:1:1 headers: unknown header "x-mine"'],
  ['nginx_http_client_max_body_size = 8 MB',   'kong.conf:1:1 nginx_http_client_max_body_size: expected a size, such as 8m'],
  ['upstream_keepalive_pool_size = -1',        'kong.conf:1:1 upstream_keepalive_pool_size: expected a whole number'],
  ['log_level = {vault://env/level}',          'kong.conf:1:1 log_level: references to vaults are not supported yet'],
  ['log_level: debug',                         'kong.conf:1:1: expected a setting, as in log_level = notice'],
])('%s is refused', (text, fault) => {
  expect(faults({}, text)).toBe(fault)
})

test('all faults are told at once, those of the environment by its variables', () => {
  expect(
    faults(
      { KONG_LOG_LEVEL: 'x', KONG_STATUS_LISTEN: '1' },
      '\nstream_listen = 0.0.0.0:9000',
    ).split('\n'),
  ).toEqual([
    'kong.conf:2:1 stream_listen: streams are not supported yet; remove it, or set it to off',
    'KONG_STATUS_LISTEN: "1" is no address; write it as 0.0.0.0:8000 or [::]:8000, or off',
    'KONG_LOG_LEVEL: expected one of: debug, info, notice, warn, error',
  ])
})

// prettier-ignore
test.each([
  [true,  'a kong.conf',               'log_level = debug\n'],
  [true,  'without blanks',            '# mine\n\nlog_level=debug\n'],
  [true,  "Kong's own, all comments",  '# Kong configuration file\n#\n#log_level = notice   # Log level\n'],
  [false, 'a declarative file',        '# a = b\n_format_version: "3.0"\nservices: [{ url: "http://a?b = c" }]'],
  [false, 'JSON',                      '{ "_format_version": "3.0" }'],
  [false, 'a template',                'x: ${{ env "DECK_A" }}'],
  [false, 'nothing',                   ''],
  [false, 'a remark',                  '# nothing yet\n'],
])('%p: %s is a kong.conf', (is, _, text) => {
  expect(isKongConf(text)).toBe(is)
})

test("the names of Kong's other client of DNS are those of its first one", () => {
  const env = {
    KONG_RESOLVER_ADDRESS: '192.0.2.1',
    KONG_RESOLVER_HOSTS_FILE: '/hosts',
    KONG_RESOLVER_FAMILY: 'AAAA,SRV',
    KONG_RESOLVER_VALID_TTL: '7',
    KONG_RESOLVER_STALE_TTL: '8',
    KONG_RESOLVER_ERROR_TTL: '9',
    KONG_RESOLVER_MEM_CACHE_SIZE: '5m',
    KONG_DNS_VALID_TTL: '70',
  }
  const { conf: read, warnings } = conf(env)
  expect(read).toMatchObject({
    dns_resolver: ['192.0.2.1'],
    dns_hostsfile: '/hosts',
    resolver_family: ['LAST', 'SRV', 'AAAA', 'CNAME'],
    dns_valid_ttl: 70,
    dns_stale_ttl: 8,
    dns_error_ttl: 9,
    dns_not_found_ttl: 9,
  })
  expect(warnings).toEqual(['settings without effect here: resolver_mem_cache_size'])
  expect(conf({ ...env, KONG_NEW_DNS_CLIENT: 'on' }).conf.dns_valid_ttl).toBe(7)
  expect(faults({ KONG_RESOLVER_ADDRESS: 'ns.test' })).toStartWith('KONG_RESOLVER_ADDRESS: ')
  expect(faults({ KONG_RESOLVER_FAMILY: 'CNAME' })).toStartWith('KONG_RESOLVER_FAMILY: ')
})
