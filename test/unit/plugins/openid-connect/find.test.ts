import { beforeEach, describe, expect, test } from 'bun:test'
import { createSearch } from '../../../../src/plugins/openid-connect/authenticate.ts'
import { withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { readBodyArguments } from '../../../../src/plugins/arguments.ts'
import { send, type Sent, TestContext } from '../context.ts'
import { basic, bearer, configure, create, refreshToken } from './plugin.ts'
import { ScriptedProvider, signingKey } from './provider.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const key = await signingKey('one')
const ALL = ['bearer', 'refresh_token', 'password', 'client_credentials']
const NAMED = { auth_methods: ALL, refresh_token_param_name: 'refresh_token' }
const FORM = ['Content-Type', 'application/x-www-form-urlencoded'] as const
const JSON_TYPE = ['Content-Type', 'application/json; charset=utf-8'] as const

/** What the search finds in a request, as `kind place name:secret`. */
async function find(config: Record<string, unknown>, sent: Sent): Promise<string> {
  const search = createSearch(withDefaults(configure({ ...NAMED, ...config })))
  const { request } = new TestContext(sent)
  let found = search.find(request)
  if (!found && search.needsBody(request))
    found = search.findInBody(await readBodyArguments(request), request)
  if (!found) return 'nothing'
  try {
    const { name, secret } = found.place.read(found.raw)
    return `${found.kind} ${found.place.id} ${name}:${secret}`
  } catch (error) {
    return `${found.kind} ${found.place.id} ${(error as { code?: string }).code}`
  }
}

// prettier-ignore
const CASES: [string, Record<string, unknown>, Sent, string][] = [
  // bearer
  ['a bearer token',                {}, { headers: [bearer('a.b.c')] },                          'access_token authorization :a.b.c'],
  ['its scheme in any case',        {}, { headers: [['AUTHORIZATION', 'bEARER   a.b.c']] },      'access_token authorization :a.b.c'],
  ['Access-Token',                  {}, { headers: [['Access_Token', 'a.b.c']] },                'access_token access-token :a.b.c'],
  ['X-Access-Token',                {}, { headers: [['x-access-token', 'a.b.c']] },              'access_token x-access-token :a.b.c'],
  ['access_token in the query',     {}, { query: 'x=1&access_token=a.b.c' },                     'access_token query :a.b.c'],
  ['access_token in a form',        {}, { headers: [FORM], body: 'access_token=a.b.c' },         'access_token body :a.b.c'],
  ['access_token in JSON',          {}, { headers: [JSON_TYPE], body: '{"access_token":"a.b.c"}' }, 'access_token body :a.b.c'],
  ['two access_tokens',             {}, { query: 'access_token=a.b.c&access_token=d.e.f' },      'access_token query malformed_credentials'],
  ['two token headers',             {}, { headers: [['Access-Token', 'a.b.c'], ['access_token', 'd.e.f']] }, 'access_token access-token malformed_credentials'],
  ['Bearer alone',                  {}, { headers: [['Authorization', 'Bearer']] },              'access_token authorization malformed_credentials'],
  ['an empty access_token',         {}, { query: 'access_token=' },                              'nothing'],
  ['a token in no place asked for', { bearer_token_param_type: ['query'] }, { headers: [bearer('a.b.c')] }, 'nothing'],
  ['an assertion in a form',        {}, { headers: [FORM], body: `client_assertion_type=${encodeURIComponent(ASSERTION_TYPE)}&client_assertion=a.b.c` }, 'client_credentials assertion-body :a.b.c'],
  ['an assertion in the query',     {}, { query: `client_assertion=a.b.c&client_assertion_type=${ASSERTION_TYPE}` }, 'client_credentials assertion-query :a.b.c'],
  ['an assertion of another type',  {}, { query: 'client_assertion=a.b.c&client_assertion_type=saml' }, 'client_credentials assertion-query malformed_credentials'],
  ['a cookie not asked for',        {}, { headers: [['Cookie', 'at=a.b.c']] },                   'nothing'],
  ['a cookie',                      { bearer_token_param_type: ['cookie'], bearer_token_cookie_name: 'at' },
                                    { headers: [['Cookie', '; x=1;at=a.b.c;']] },                'access_token cookie :a.b.c'],
  ['the one header',                { bearer_token_header_name: 'X_Token' }, { headers: [['x-token', 'a.b.c']] },        'access_token x-token :a.b.c'],
  ['the one header, with a scheme', { bearer_token_header_name: 'X-Token' }, { headers: [['x-token', 'Bearer a.b.c']] }, 'access_token x-token :a.b.c'],
  ['the query, where a header is named', { bearer_token_header_name: 'X-Token' }, { query: 'access_token=a.b.c' },        'nothing'],
  ['another than the one header',   { bearer_token_header_name: 'X-Token' }, { headers: [bearer('a.b.c')] },             'nothing'],
  // refresh tokens
  ['a refresh token',               {}, { headers: [refreshToken('r')] },                        'refresh_token header :r'],
  ['two refresh tokens',            {}, { headers: [refreshToken('r'), ['refresh_token', 's']] }, 'refresh_token header malformed_credentials'],
  ['two, the other way round',      {}, { headers: [['refresh_token', 's'], refreshToken('r')] }, 'refresh_token header malformed_credentials'],
  ['one without a name for it',     { refresh_token_param_name: null }, { headers: [refreshToken('r')] }, 'nothing'],
  ['one in the query',              {}, { query: 'refresh_token=r%2Bx' },                        'refresh_token query :r+x'],
  ['one in JSON',                   {}, { headers: [JSON_TYPE], body: '{"refresh_token":"r"}' }, 'refresh_token body :r'],
  ['null',                          {}, { headers: [refreshToken('null')] },                     'refresh_token header malformed_credentials'],
  ['a list in JSON',                {}, { headers: [JSON_TYPE], body: '{"refresh_token":["r"]}' }, 'refresh_token body malformed_credentials'],
  ['twice in JSON',                 {}, { headers: [JSON_TYPE], body: '{"refresh_token":"r","refresh_token":"s"}' }, 'refresh_token body malformed_credentials'],
  ['a null in JSON',                {}, { headers: [JSON_TYPE], body: '{"refresh_token":null}' }, 'nothing'],
  ['JSON that is no object',        {}, { headers: [JSON_TYPE], body: 'null' },                  'nothing'],
  ['JSON that is a list',           {}, { headers: [JSON_TYPE], body: '["refresh_token"]' },     'nothing'],
  ['JSON that is broken',           {}, { headers: [JSON_TYPE], body: '{"refresh_token":' },     'nothing'],
  ['a body of another type',        {}, { headers: [['Content-Type', 'text/plain']], body: 'refresh_token=r' }, 'nothing'],
  ['in Authorization',              { refresh_token_param_name: 'authorization', auth_methods: ['refresh_token', 'password'] },
                                    { headers: [bearer('r')] },                                  'refresh_token header :r'],
  ['Basic in Authorization',        { refresh_token_param_name: 'authorization', auth_methods: ['refresh_token', 'password'] },
                                    { headers: [basic('a', 'b')] },                              'password authorization a:b'],
  // passwords
  ['a password',                    {}, { headers: [basic('alex', 'doe')] },                     'password authorization alex:doe'],
  ['one with colons',               {}, { headers: [basic('alex', 'd:o:e')] },                   'password authorization alex:d:o:e'],
  ['one in UTF-8',                  {}, { headers: [basic('ålex', 'dœ')] },                      'password authorization ålex:dœ'],
  ['one without Base64',            {}, { headers: [['Authorization', 'Basic alex:doe']] },      'password authorization alex:doe'],
  ['one without Base64, in UTF-8',  {}, { headers: [['Authorization', `Basic alex:${Buffer.from('dœ').toString('latin1')}`]] }, 'password authorization alex:dœ'],
  ['no colon',                      {}, { headers: [['Authorization', 'Basic YWxleA==']] },      'password authorization malformed_credentials'],
  ['no password',                   {}, { headers: [basic('alex', '')] },                        'password authorization malformed_credentials'],
  ['Basic null',                    {}, { headers: [['Authorization', 'Basic null']] },          'password authorization malformed_credentials'],
  ['arguments',                     {}, { query: 'username=alex&password=d%20e' },               'password query alex:d e'],
  ['arguments in a form',           {}, { headers: [FORM], body: 'username=alex&password=d+e' }, 'password body alex:d e'],
  ['half of the arguments',         {}, { query: 'username=alex' },                              'nothing'],
  ['a password sent twice',         {}, { query: 'username=a&password=b&password=c' },           'password query malformed_credentials'],
  // client credentials
  ['a client',                      { auth_methods: ['client_credentials'] }, { headers: [basic('id', 'secret')] }, 'client_credentials authorization id:secret'],
  ['a client in the query',         {}, { query: 'client_id=id&client_secret=s' },               'client_credentials query id:s'],
  // precedence
  ['access_token before all',             {}, { headers: [refreshToken('r'), bearer('a.b.c')] },       'access_token authorization :a.b.c'],
  ['access_token in the query, Basic',    {}, { headers: [basic('a', 'b')], query: 'access_token=a.b.c' }, 'access_token query :a.b.c'],
  ['refresh before password',       {}, { headers: [basic('a', 'b'), refreshToken('r')] },       'refresh_token header :r'],
  ['password before client',        {}, { headers: [basic('a', 'b')] },                          'password authorization a:b'],
  ['a header before the query',     {}, { headers: [refreshToken('h')], query: 'refresh_token=q' }, 'refresh_token header :h'],
  ['a body is the last resort',     {}, { headers: [basic('a', 'b'), FORM], body: 'access_token=a.b.c' }, 'password authorization a:b'],
]

test.each(CASES)('%s', async (_, config, sent, expected) => {
  expect(await find(config, sent)).toBe(expected)
})

test('the order of auth_methods is of no account', async () => {
  const sent = { headers: [basic('a', 'b'), refreshToken('r')] }
  for (const auth_methods of [ALL, ALL.toReversed()])
    expect(await find({ auth_methods }, sent)).toBe('refresh_token header :r')
})

test('a body that announces more than a credential needs is not read', async () => {
  const headers = [FORM, ['Content-Length', '2000000'] as const]
  expect(await find({}, { headers, body: 'access_token=a.b.c' })).toBe('nothing')
})

describe('what was used is hidden from the service', () => {
  let provider: ScriptedProvider
  beforeEach(() => {
    provider = new ScriptedProvider(key)
  })

  const let_in = async (config: Record<string, unknown>, sent: Sent) => {
    const given = await send(create(provider, { ...NAMED, client_id: ['kong'], ...config }), sent)
    expect(given.exit).toBeUndefined()
    return given
  }

  test('an argument of the query', async () => {
    const token = await provider.accessToken()
    const { ctx, upstream } = await let_in({}, { query: `a=%20&access_token=${token}&b` })
    expect(ctx.upstream.query).toBe('a=%20&b')
    expect(upstream.get('authorization')).toBe(`Bearer ${token}`)
  })

  test('an argument of a form', async () => {
    const body = 'a=1&username=alex&password=doe&b=+'
    const { ctx } = await let_in({}, { method: 'POST', headers: [FORM], body })
    expect(ctx.body).toBe('a=1&b=+')
  })

  test('an argument of JSON, and a repeat too, which is proved already', async () => {
    const body = `{"a":1.0,"refresh_token":"${provider.refreshToken()}"}`
    const handler = create(provider, { ...NAMED, client_id: ['kong'] })
    for (let i = 0; i < 2; i++) {
      const { ctx } = await send(handler, { method: 'POST', headers: [JSON_TYPE], body })
      expect(ctx.body).toBe('{"a":1.0}')
    }
    expect(provider.calls).toBe(1)
  })

  test('a header in any spelling', async () => {
    const headers = [['X_Access.Token', await provider.accessToken()]] as const
    const { upstream } = await let_in({}, { headers })
    expect([...upstream].map(([name]) => name)).toEqual(['Authorization'])
  })

  test('a cookie, and no other', async () => {
    const token = await provider.accessToken()
    const config = { bearer_token_param_type: ['cookie'], bearer_token_cookie_name: 'at' }
    const { upstream } = await let_in(config, { headers: [['Cookie', `a=1; at=${token}; b=2`]] })
    expect(upstream.all('cookie')).toEqual(['a=1; b=2'])
    const alone = await let_in(config, { headers: [['Cookie', `at=${token}`]] })
    expect(alone.upstream.has('cookie')).toBe(false)
  })

  test('but what was not used stays', async () => {
    const headers = [bearer(await provider.accessToken()), ['Access-Token', 'other'] as const]
    const { upstream } = await let_in({}, { headers })
    expect(upstream.get('access-token')).toBe('other')
  })

  test('and hide_credentials: false hides nothing', async () => {
    const query = `access_token=${await provider.accessToken()}`
    const { ctx } = await let_in({ hide_credentials: false }, { query })
    expect(ctx.upstream.query).toBe(query)
  })
})

test('the access log is told the names of the arguments that hold secrets', async () => {
  const methods = ['bearer', 'refresh_token', 'password', 'client_credentials']
  const config = { auth_methods: methods, refresh_token_param_name: 'rt' }
  const { secretArguments } = create(new ScriptedProvider(key), config)
  expect(secretArguments?.toSorted()).toEqual([
    'access_token',
    'client_assertion',
    'client_secret',
    'password',
    'rt',
  ])
})
