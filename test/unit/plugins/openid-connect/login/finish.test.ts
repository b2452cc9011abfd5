import { beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { LoginRefusal } from '../../../../../src/plugins/openid-connect/login/index.ts'
import { Refusal } from '../../../../../src/plugins/openid-connect/refusal.ts'
import { testGateway } from '../../context.ts'
import { ISSUER, type SigningKey, signingKey } from '../provider.ts'
import { keep, LoginProvider, LoginScene, requestOf } from './scene.ts'

let key: SigningKey
let other: SigningKey
let idp: LoginProvider
let scene: LoginScene
beforeAll(async () => {
  key = await signingKey('one')
  other = await signingKey('one')
})
beforeEach(() => {
  idp = new LoginProvider(key)
  scene = new LoginScene(idp)
})

async function refusalOf(go: Promise<unknown>): Promise<Refusal> {
  const error = await go.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof Refusal)) throw new Error('it was not refused')
  return error
}

test('a code is redeemed with what the login began with', async () => {
  const url = await scene.begin({ query: 'hello=world' })
  const finished = await scene.finish(idp.answer(url.href))
  expect(finished).toMatchObject({
    response: { refresh_token: expect.stringMatching(/^refresh-/) as string },
    expected: { nonce: url.searchParams.get('nonce')!, code: expect.any(String) as string },
    client: 0,
    returnTo: 'http://gateway.test:8000/shop?hello=world',
  })
  expect(finished!.cookies[0]).toMatch(/^authorization=;.*Max-Age=0/)
})

test('a code that is not bound by PKCE goes without a verifier', async () => {
  scene = new LoginScene(idp, { require_proof_key_for_code_exchange: false })
  expect(await scene.finish(idp.answer((await scene.begin()).href))).toBeDefined()
})

test('with verify_nonce off no nonce is expected', async () => {
  scene = new LoginScene(idp, { verify_nonce: false })
  const finished = await scene.finish(idp.answer((await scene.begin()).href))
  expect(finished?.expected.nonce).toBeUndefined()
})

test('the client that began a login finishes it', async () => {
  const clients = { client_id: ['kong', 'other'], client_secret: ['a', 'b'] }
  scene = new LoginScene(idp, clients)
  const url = await scene.begin({ query: 'client_id=other' })
  expect((await scene.finish(idp.answer(url.href)))?.client).toBe(1)
})

test('five tabs that log in at once all finish, in any order', async () => {
  const urls = []
  for (let i = 0; i < 5; i++) urls.push(await scene.begin({ path: `/tab${i}` }))
  for (const i of [2, 4, 0, 3, 1])
    expect((await scene.finish(idp.answer(urls[i]!.href)))?.returnTo).toEndWith(`/tab${i}`)
  expect(scene.jar.size).toBe(0)
})

test('of tabs whose cookies overwrote each other one finishes, and the others begin again', async () => {
  const jars = [new Map<string, string>(), new Map<string, string>()]
  const [lost, kept] = [await scene.begin({}, jars[0]), await scene.begin({}, jars[1])]
  keep(scene.jar, [`authorization=${jars[1]!.get('authorization')}; Path=/`])
  expect(await scene.finish(idp.answer(lost.href))).toBeUndefined()
  expect(await scene.finish(idp.answer(kept.href))).toBeDefined()
})

describe('the state (RFC 9700 §4.7)', () => {
  test('of nobody is refused, and no code is redeemed', async () => {
    const url = await scene.begin()
    const answer = idp.answer(url.href, { state: 'A'.repeat(24) })
    expect(await refusalOf(scene.finish(answer))).toMatchObject({
      code: 'invalid_state',
      status: 401,
    })
    expect(idp.asked('code')).toBe(0)
  })

  test("of another browser's login is worth nothing here", async () => {
    const stranger = await scene.begin({}, new Map())
    await scene.begin()
    expect(await scene.finish(idp.answer(stranger.href))).toBeUndefined()
    expect(idp.asked('code')).toBe(0)
  })

  test('counts once, even for a browser that brings its cookie again', async () => {
    const url = await scene.begin()
    const before = new Map(scene.jar)
    const answer = idp.answer(url.href)
    expect(await scene.finish(answer)).toBeDefined()
    expect(await scene.finish(answer, { jar: before })).toBeUndefined()
    expect(await scene.finish(answer)).toBeUndefined()
    expect(idp.asked('code')).toBe(1)
  })

  test('counts once for two requests at once', async () => {
    const answer = idp.answer((await scene.begin()).href)
    const jars = [new Map(scene.jar), new Map(scene.jar)]
    const both = await Promise.all(jars.map((jar) => scene.finish(answer, { jar })))
    expect(both.filter((each) => each !== undefined)).toHaveLength(1)
    expect(idp.asked('code')).toBe(1)
  })

  test("of an application's own is left to it", async () => {
    await scene.begin()
    expect(await scene.finish('state=CA&code=SAVE10')).toBeUndefined()
  })

  test('is good for as long as authorization_rolling_timeout says', async () => {
    const url = await scene.begin()
    idp.pass(599)
    const jar = new Map(scene.jar)
    expect(await scene.finish(idp.answer(url.href), { jar })).toBeDefined()
    const late = await scene.begin()
    idp.pass(600)
    expect(await scene.finish(idp.answer(late.href))).toBeUndefined()
  })
})

describe('the cookie', () => {
  test('that is not there, or is none, answers no login', async () => {
    const answer = idp.answer((await scene.begin()).href)
    for (const jar of [new Map(), new Map([['authorization', 'rubbish']])])
      expect(await scene.finish(answer, { jar })).toBeUndefined()
  })

  test('with any of its bits turned is none', async () => {
    const answer = idp.answer((await scene.begin()).href)
    const text = scene.jar.get('authorization')!
    for (let i = 0; i < text.length; i += 7) {
      const flipped = text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1)
      const jar = new Map([['authorization', flipped]])
      expect(await scene.finish(answer, { jar })).toBeUndefined()
    }
  })

  // prettier-ignore
  test.each([
    ['another secret', { session_secret: 'another' }],
    ['another issuer', { issuer: `${ISSUER}-two` }],
    ['another name',   { authorization_cookie_name: 'other' }],
    ['other clients',  { client_id: ['other'] }],
  ])('is worth nothing to a plugin with %s', async (_, config) => {
    const answer = idp.answer((await scene.begin()).href)
    const elsewhere = new LoginScene(idp, config)
    const text = scene.jar.get('authorization')!
    const jar = new Map([['authorization', text], ['other', text]])
    expect(await elsewhere.finish(answer, { jar })).toBeUndefined()
    expect(idp.asked('code')).toBe(0)
  })

  test('opens with the secret that was before', async () => {
    const answer = idp.answer((await scene.begin()).href)
    const secrets = () => ['new', 'a secret of the gateway itself']
    const gateway = testGateway({ fetch: idp.serve, now: () => idp.now, secrets })
    expect(await new LoginScene(idp, {}, gateway).finish(answer, { jar: scene.jar })).toBeDefined()
  })
})

describe('the issuer (RFC 9207)', () => {
  // prettier-ignore
  test.each([
    ['is the one that was asked',                        {},                         {},                       ISSUER,                              undefined],
    ['is another: a mix-up',                             {},                         {},                       'https://evil.test',                 'invalid_issuer'],
    ['is missing, though it was announced',              {},                         {},                       undefined,                           'invalid_issuer'],
    ['is missing, and was not announced',                {},                         { authorization_response_iss_parameter_supported: false }, undefined, undefined],
    ['is there without having been announced',           {},                         { authorization_response_iss_parameter_supported: false }, 'https://evil.test', 'invalid_issuer'],
    ['is one of issuers_allowed',                        { issuers_allowed: ['https://a.test', 'https://b.test'] }, {}, 'https://b.test',        undefined],
    ['is the name by which browsers know the provider',  { authorization_endpoint: 'http://localhost:8080' }, {},   'http://localhost:8080/realms/master', undefined],
    ['is of no account without verify_claims',           { verify_claims: false },   {},                       'https://evil.test',                 undefined],
  ])('%s', async (_, config, metadata, iss, code) => {
    idp.metadata = metadata
    scene = new LoginScene(idp, config)
    const finished = scene.finish(idp.answer((await scene.begin()).href, { iss }))
    if (code === undefined) expect(await finished).toBeDefined()
    else expect(await refusalOf(finished)).toMatchObject({ code, status: 401 })
    expect(idp.asked('code')).toBe(code === undefined ? 1 : 0)
  })
})

describe('an answer', () => {
  test('that is an error is refused in the words of the provider, and is over', async () => {
    const url = await scene.begin()
    const answer = idp.answer(url.href, {
      code: undefined,
      error: 'access_denied',
      error_description: 'no\nway',
    })
    const refusal = await refusalOf(scene.finish(answer))
    expect(refusal).toBeInstanceOf(LoginRefusal)
    expect(refusal).toMatchObject({ code: 'login_refused', status: 401 })
    expect(refusal.message).toBe('the provider refused a login: access_denied: no way')
    // What a stranger can write into a URL is shown to nobody.
    expect(refusal.shown).toBe('The provider answered a login with an error.')
    expect((refusal as LoginRefusal).cookies[0]).toContain('Max-Age=0')
    expect(await scene.finish(answer)).toBeUndefined()
  })

  test('whose code the provider refuses is refused', async () => {
    const url = await scene.begin()
    const refusal = await refusalOf(scene.finish(idp.answer(url.href, { code: 'unknown' })))
    expect(refusal).toMatchObject({ code: 'invalid_grant' })
    expect(refusal.message).not.toContain('unknown')
  })

  test.each(['state', 'code', 'iss', 'error'])('with two of "%s" is refused', async (name) => {
    const answer = idp.answer((await scene.begin()).href)
    if (!answer.has(name)) answer.append(name, 'x')
    answer.append(name, 'x')
    expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'invalid_login_answer' })
    expect(idp.asked('code')).toBe(0)
  })

  test.each(['', 'x'.repeat(5000), 'a\nb'])(
    'with a code that cannot be one is refused',
    async (code) => {
      const answer = idp.answer((await scene.begin()).href, { code })
      expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'invalid_login_answer' })
    },
  )

  test('with any part of what belongs to it does no harm', async () => {
    const names = ['code', 'state', 'iss', 'session_state', 'error', 'response', 'id_token']
    for (let bits = 0; bits < 1 << names.length; bits++) {
      await scene.begin()
      const answer = new URLSearchParams(
        names.flatMap((name, i) => (bits & (1 << i) ? [[name, 'x'] as [string, string]] : [])),
      )
      const finished = await scene.finish(answer).catch((error: unknown) => error)
      expect(finished === undefined || finished instanceof Refusal).toBe(true)
    }
    expect(idp.asked('code')).toBe(0)
  })

  test('of a provider that cannot be reached is refused, and is not the end of other logins', async () => {
    const [one, two] = [await scene.begin(), await scene.begin()]
    const answers = [idp.answer(one.href), idp.answer(two.href)]
    idp.gate = Promise.reject(new Error('connection refused'))
    idp.gate.catch(() => {})
    const refusal = await refusalOf(scene.finish(answers[0]!))
    keep(scene.jar, (refusal as LoginRefusal).cookies)
    idp.gate = Promise.resolve()
    expect(await scene.finish(answers[1]!)).toBeDefined()
  })
})

describe('where an answer may be', () => {
  const place = async (response_mode: string, asked: Parameters<typeof requestOf>[1]) => {
    scene = new LoginScene(idp, { response_mode })
    await scene.begin()
    return scene.login.placeOfAnswer(requestOf(scene.jar, asked).request)
  }
  const FORM = [['Content-Type', 'application/x-www-form-urlencoded']] as const
  const form = (body: string) => ({ method: 'POST', body, headers: FORM })
  // prettier-ignore
  test.each([
    ['query',         { query: 'code=a&state=b' },                  'query'],
    ['query',         { query: 'code=a' },                          undefined],
    ['query',         { query: 'state=a' },                         undefined],
    ['query',         { query: '' },                                undefined],
    ['query',         { query: 'error=a&state=b' },                 'query'],
    ['query',         { query: 'response=a' },                      undefined],
    ['query',         { query: 'code=a&state=b', method: 'POST' },  undefined],
    ['query',         { query: 'code=a&state=b', method: 'HEAD' },  undefined],
    ['query',         form('code=a&state=b'),                       undefined],
    ['form_post',     form('code=a&state=b'),                       'body'],
    ['form_post',     { ...form('{}'), headers: [['Content-Type', 'application/json']] as const }, undefined],
    ['form_post',     { query: 'code=a&state=b' },                  undefined],
    ['form_post',     { query: 'error=a&state=b' },                 'query'],
    ['jwt',           { query: 'response=a' },                      'query'],
    ['query.jwt',     { query: 'response=a' },                      'query'],
    ['query.jwt',     { query: 'code=a&state=b' },                  undefined],
    ['form_post.jwt', form('response=a'),                           'body'],
    ['form_post.jwt', { query: 'response=a' },                      undefined],
  ])('with %s: %j', async (mode, asked, expected) => {
    expect(await place(mode, asked)).toBe(expected as 'query' | 'body' | undefined)
  })

  test('nowhere without the cookie', () => {
    const { request } = requestOf(new Map(), { query: 'code=a&state=b' })
    expect(scene.login.placeOfAnswer(request)).toBeUndefined()
  })
})

describe('form_post', () => {
  test('brings the answer in a form, which the service is not shown', async () => {
    scene = new LoginScene(idp, { response_mode: 'form_post' })
    const answer = idp.answer((await scene.begin()).href)
    answer.append('kept', 'yes')
    const finished = await scene.finish(answer, { asForm: true })
    finished!.restore(finished!.ctx)
    expect(finished!.ctx.body).toBe('kept=yes')
  })
})

describe('JARM', () => {
  beforeEach(() => void (scene = new LoginScene(idp, { response_mode: 'query.jwt' })))

  async function answerWith(
    claims: Record<string, unknown> = {},
    how: Parameters<LoginProvider['sign']>[1] = {},
  ) {
    const answer = Object.fromEntries(idp.answer((await scene.begin()).href))
    const usual = { iss: ISSUER, aud: 'kong', exp: idp.seconds + 60, ...answer }
    return new URLSearchParams({ response: await idp.sign({ ...usual, ...claims }, how) })
  }

  test('a signed answer counts', async () => {
    expect(await scene.finish(await answerWith())).toBeDefined()
  })

  test('and in a form too', async () => {
    scene = new LoginScene(idp, { response_mode: 'form_post.jwt' })
    expect(await scene.finish(await answerWith(), { asForm: true })).toBeDefined()
  })

  // prettier-ignore
  test.each([
    ['of another issuer',       { iss: 'https://evil.test' },     {},                    'invalid_issuer'],
    ['for another client',      { aud: 'other' },                 {},                    'invalid_audience'],
    ['that is too old',         { exp: 1 },                       {},                    'token_expired'],
    ['that says no end',        { exp: undefined },               {},                    'token_expired'],
    ['that is an access token', {},                               { typ: 'at+jwt' },     'invalid_token'],
    ['that is a logout token',  {},                               { typ: 'logout+jwt' }, 'invalid_token'],
  ])('(4.4) one %s is refused', async (_, claims, how, code) => {
    expect(await refusalOf(scene.finish(await answerWith(claims, how)))).toMatchObject({ code })
    expect(idp.asked('code')).toBe(0)
  })

  test('one that somebody else has signed is refused, with verify_claims off too', async () => {
    for (const config of [{}, { verify_claims: false, verify_signature: false }]) {
      scene = new LoginScene(idp, { response_mode: 'query.jwt', ...config })
      const answer = await answerWith({}, { key: other })
      expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'invalid_signature' })
    }
  })

  test('what stands beside it counts for nothing', async () => {
    const answer = await answerWith({ code: undefined })
    answer.append('code', 'injected')
    expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'invalid_login_answer' })
  })

  test('an unsigned error is an error all the same', async () => {
    const url = await scene.begin()
    const answer = idp.answer(url.href, { code: undefined, error: 'invalid_request' })
    expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'login_refused' })
  })

  test('an unsigned code is none', async () => {
    const url = await scene.begin()
    const answer = idp.answer(url.href, { error: 'x' })
    expect(await refusalOf(scene.finish(answer))).toMatchObject({ code: 'invalid_login_answer' })
  })
})

describe('what the service is sent of an answer', () => {
  test.each([
    [{}, 'kept=1'],
    [{ preserve_query_args: true }, 'hello=world'],
  ])('with %j', async (config, query) => {
    scene = new LoginScene(idp, config)
    const answer = idp.answer((await scene.begin({ query: 'hello=world' })).href)
    answer.append('kept', '1')
    const finished = await scene.finish(answer)
    finished!.restore(finished!.ctx)
    expect(finished!.ctx.upstream.query).toBe(query)
  })

  test('a login that is begun by an old answer does not come back to it', async () => {
    const old = idp.answer((await scene.begin()).href)
    old.append('kept', '1')
    scene.jar.clear()
    const url = await scene.begin({ query: old.toString() })
    expect((await scene.finish(idp.answer(url.href)))?.returnTo).toBe(
      'http://gateway.test:8000/shop?kept=1',
    )
  })

  test('an address with arguments that only look like an answer is come back to as it was', async () => {
    for (const query of ['state=CA&code=1', `state=CA&state=NV&code=1`]) {
      const url = await scene.begin({ query })
      expect((await scene.finish(idp.answer(url.href)))?.returnTo).toEndWith(`/shop?${query}`)
    }
  })
})
