import { expect, test } from 'bun:test'
import { Masks } from '../../src/masks.ts'

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGV4In0.c2lnbmF0dXJl'

// prettier-ignore
test.each([
  ['Authorization',       `Bearer ${TOKEN}`,             'Bearer [masked JWT]'],
  ['authorization',       'Bearer opaque-token',         'Bearer [masked]'],
  ['Authorization',       'Basic YWxleDpob3JzZTE=',      'Basic [alex:masked]'],
  ['Authorization',       'nothing',                     '[masked]'],
  ['Proxy-Authorization', 'Basic x',                     'Basic [masked]'],
  ['Autorization',        'opaque-token',                '[masked]'],
  ['X-Api-Keyy',          'abc',                         '[masked]'],
  ['X-Whatever',          'Bearer opaque-token',         '[masked]'],
  ['Cookie',              'a=1; session=secret; b',      'a=[masked]; session=[masked]; [masked]'],
  ['Set-Cookie',          'session=secret; Path=/',      'session=[masked]'],
  ['X-Access-Token',      'opaque',                      '[masked]'],
  ['X-Userinfo',          'eyJzdWIiOiJhbGV4In0=',        '[masked]'],
  ['X-Foo',               'Zm9vYmFyYmF6cXV4MTIzNDU2Nzg', '[masked]'],
  ['my-key-name',         'k',                           '[masked]'],
  ['My_Key_Name',         'k',                           '[masked]'],
  ['Location',            `https://a.test/?code=1&x=2`,  'https://a.test/?code=[masked]&x=2'],
  ['X-Consumer-ID',       '0b2e8a3e-7f0a-4f5e-8c53-3b0a0c7d0b51', '0b2e8a3e-7f0a-4f5e-8c53-3b0a0c7d0b51'],
  ['X-Authenticated-Scope', 'openid',                    'openid'],
  ['User-Agent',          'Mozilla/5.0 (X11)',           'Mozilla/5.0 (X11)'],
  ['X-Line',              'a\r\nb\x1b[31m',              'a b [31m'],
])('%s: %j is shown as %j', (name, value, shown) => {
  expect(new Masks(new Set(['my_key_name'])).field(name, value)).toBe(shown)
})

test('arguments and members are masked by their names, in any spelling', () => {
  const masks = new Masks()
  expect(masks.url('https://alex:doe@a.test/x?access%5Ftoken=abc&a=b&c')).toBe(
    'https://[masked]@a.test/x?access_token=[masked]&a=b&c',
  )
  expect(masks.form('grant_type=password&password=doe&client_assertion=x&scope=openid')).toBe(
    'grant_type=password&password=[masked]&client_assertion=[masked]&scope=openid',
  )
  expect(
    masks.json({
      access_token: 'a',
      nested: { refresh_token: ['b'] },
      token_type: 'Bearer',
      sub: 'x',
    }),
  ).toEqual({
    access_token: '[masked]',
    nested: { refresh_token: ['[masked]'] },
    token_type: 'Bearer',
    sub: 'x',
  })
})

// prettier-ignore
test.each([
  ['https://app.test/cb#access_token=opaque-1&state=s',  'https://app.test/cb#access_token=[masked]&state=[masked]'],
  ['https://app.test/cb?a=b#id_token=x',                 'https://app.test/cb?a=b#id_token=[masked]'],
  ['https://app.test/#/cb?code=x&a=b',                   'https://app.test/#/cb?code=[masked]&a=b'],
  ['https://app.test/#code=x?code=y#code=z',             'https://app.test/#code=[masked]?code=[masked]#code=[masked]'],
  ['https://app.test/?code=x?code=y',                    'https://app.test/?code=[masked]?code=[masked]'],
  ['/x#top',                                             '/x#top'],
  ['/x?',                                                '/x?'],
])('%s is shown as %s', (url, shown) => {
  const masks = new Masks()
  expect(masks.url(url)).toBe(shown)
  expect(masks.field('Location', url)).toBe(shown)
})

test('whatever a client sends, what others send is learned', () => {
  const masks = new Masks()
  const cookies = Array.from({ length: 1_000 }, (_, i) => `cookie${i}=value-${i}`).join('; ')
  masks.field('Cookie', cookies)
  masks.url(`/x?${cookies.replaceAll('; ', '&').replaceAll('cookie', 'token')}`)
  masks.endOfRequest()
  // The same, as the service is sent it.
  masks.field('Cookie', cookies)
  masks.json({ client_secret: 'horse-11', pin: 12_345_678 })
  masks.url('https://app.test/cb#access_token=opaque-1')
  expect(masks.text('horse-11 and opaque-1 and 12345678')).toBe(
    '[masked] and [masked] and [masked]',
  )
})

test('a secret of one place is masked in every other, and in what was shown before', () => {
  const masks = new Masks()
  const before = masks.text('there was open sesame7 in it')
  masks.form('password=open+sesame7')
  expect(masks.text('wrong password: open sesame7!')).toBe('wrong password: [masked]!')
  expect(masks.scrub(before)).toBe('there was [masked] in it')
})

test('a secret that is a word is not taken out of other words', () => {
  const masks = new Masks()
  masks.form('password=horsebox')
  expect(masks.text('see client_horsebox, not horsebox')).toBe('see client_horsebox, not [masked]')
})

test('however long it is, it takes no time', () => {
  const masks = new Masks()
  const from = process.cpuUsage()
  masks.field('Cookie', Array.from({ length: 4_000 }, (_, i) => `cookie${i}=value${i}`).join('; '))
  for (const text of [
    'a'.repeat(60_000),
    'eyJ'.repeat(20_000),
    'a.'.repeat(30_000),
    '='.repeat(60_000),
    '#?'.repeat(30_000),
    'code=x#'.repeat(9_000),
  ]) {
    masks.field('X-Long', text)
    masks.url(`/x?${text}`)
    expect(masks.text(text).length).toBeLessThan(320)
  }
  // Microseconds of work: what others do on the machine does not count.
  expect(process.cpuUsage(from).user).toBeLessThan(1_500_000)
})

test('names stay, though somebody may have sent one as a secret, and so does what only sounds like one', () => {
  const masks = new Masks()
  expect(masks.form('token_type_hint=access_token&token=opaque-1')).toBe(
    'token_type_hint=access_token&token=[masked]',
  )
  masks.form('password=username')
  expect(masks.json({ username: 'alex' })).toEqual({ username: 'alex' })
})
