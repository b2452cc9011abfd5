import { expect, test } from 'bun:test'
import { warningsOf } from '../../../../../src/plugins/openid-connect/login/index.ts'
import { withDefaults } from '../../../../../src/plugins/openid-connect/schema.ts'
import { configure } from '../plugin.ts'

// prettier-ignore
test.each([
  [{},                                                                        []],
  [{ response_mode: 'fragment' },                                             ['response_mode']],
  [{ response_mode: 'fragment.jwt' },                                         ['response_mode']],
  [{ response_type: ['id_token'] },                                           ['response_type']],
  [{ response_type: ['code id_token'] },                                      []],
  [{ response_mode: 'form_post' },                                            []],
  [{ response_mode: 'form_post', authorization_cookie_same_site: 'Lax' },     ['authorization_cookie_same_site']],
  [{ response_mode: 'form_post', authorization_cookie_same_site: 'None' },    []],
  [{ authorization_cookie_same_site: 'Strict' },                              ['authorization_cookie_same_site']],
  [{ auth_methods: ['bearer'], response_mode: 'fragment' },                   []],
])('%j is warned of: %j', (config, fields) => {
  const warnings = warningsOf(withDefaults(configure({ client_id: ['kong'], ...config })))
  expect(warnings.flatMap((each) => each.fields)).toEqual(fields)
})
