import { expect, test } from 'bun:test'
import { createAuthorize } from '../../../../src/plugins/openid-connect/authorize.ts'
import { withDefaults } from '../../../../src/plugins/openid-connect/schema.ts'
import { configure } from './plugin.ts'

// prettier-ignore
const CASES: [string, Record<string, unknown>, Record<string, unknown>, string][] = [
  ['no requirement',                 {},                                             {},                                    'ok'],
  ['an empty requirement',           { scopes_required: [] },                        {},                                    'ok'],
  ['the one scope',                  { scopes_required: ['openid'] },                { scope: 'email openid' },             'ok'],
  ['another scope',                  { scopes_required: ['openid'] },                { scope: 'openidx' },                  'insufficient_scope'],
  ['no scope',                       { scopes_required: ['openid'] },                {},                                    'insufficient_scope'],
  ['a scope of null',                { scopes_required: ['openid'] },                { scope: null },                       'insufficient_scope'],
  ['a list of scopes',               { scopes_required: ['openid'] },                { scope: ['openid'] },                 'ok'],
  ['one of two elements',            { scopes_required: ['a', 'b'] },                { scope: 'b' },                        'ok'],
  ['one word of two',                { scopes_required: ['a b'] },                   { scope: 'a' },                        'insufficient_scope'],
  ['both words',                     { scopes_required: ['a b'] },                   { scope: 'b c a' },                    'ok'],
  ['(a and b) or c: c',              { scopes_required: ['a b', 'c'] },              { scope: 'c' },                        'ok'],
  ['nothing but blanks',             { scopes_required: ['  '] },                    { scope: 'a' },                        'insufficient_scope'],
  ['another claim',                  { scopes_claim: ['scp'], scopes_required: ['a'] }, { scp: 'a' },                       'ok'],
  ['an audience',                    { audience_required: ['api'] },                 { aud: ['x', 'api'] },                 'ok'],
  ['another audience',               { audience_required: ['api'] },                 { aud: 'x' },                          'insufficient_audience'],
  ['groups',                         { groups_required: ['staff'] },                 { groups: ['staff'] },                 'ok'],
  ['no groups',                      { groups_required: ['staff'] },                 { groups: [] },                        'insufficient_groups'],
  ['a nested role',                  { roles_claim: ['realm_access', 'roles'], roles_required: ['admin'] }, { realm_access: { roles: ['admin'] } }, 'ok'],
  ['no nested role',                 { roles_claim: ['realm_access', 'roles'], roles_required: ['admin'] }, { realm_access: { roles: ['user'] } },  'insufficient_roles'],
  ['a path through a text',          { roles_claim: ['a', 'length'], roles_required: ['1'] }, { a: 'x' },                   'insufficient_roles'],
  ['a path to what objects inherit', { roles_claim: ['constructor', 'name'], roles_required: ['Object'] }, {},              'insufficient_roles'],
  ['a position, counted from 1',     { roles_claim: ['r', '2'], roles_required: ['b'] }, { r: ['a', 'b'] },                 'ok'],
  ['a name with dots',               { roles_claim: ['https://x.test/roles'], roles_required: ['a'] }, { 'https://x.test/roles': ['a'] }, 'ok'],
  ['a number',                       { roles_required: ['7'] },                      { roles: 7 },                          'ok'],
  ['an object',                      { roles_required: ['[object Object]'] },        { roles: [{}] },                       'insufficient_roles'],
  ['all of several requirements',    { scopes_required: ['a'], groups_required: ['g'] }, { scope: 'a', groups: ['g'] },     'ok'],
  ['one of several requirements',    { scopes_required: ['a'], groups_required: ['g'] }, { scope: 'a' },                    'insufficient_groups'],
  ['a forbidden claim',              { claims_forbidden: ['act'] },                  { act: null },                         'forbidden_claim'],
  ['no forbidden claim',             { claims_forbidden: ['act'] },                  { actor: 1 },                          'ok'],
]

test.each(CASES)('%s', (_, config, claims, expected) => {
  const refusal = createAuthorize(withDefaults(configure(config)))([claims])
  expect(refusal?.code ?? 'ok').toBe(expected as 'ok')
  if (refusal) expect(refusal.status).toBe(403)
})
