import { expect, test } from 'bun:test'
import { AMBIGUOUS, type Argument, readBodyArguments } from '../../../src/plugins/arguments.ts'
import { TestContext } from './context.ts'

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

function read(type: string, body: string) {
  return readBodyArguments(new TestContext({ headers: [['Content-Type', type]], body }).request)
}

test('the arguments of a form', async () => {
  const form = await read(FORM_TYPE, '&a=1&b&c=x%20y+z&&%64=%C3%A4&e=1&e=1&f=%&g=')
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '__proto__']
  const values: Argument[] = [
    '1',
    undefined,
    'x y z',
    'ä',
    AMBIGUOUS,
    '%',
    '',
    undefined,
    undefined,
  ]
  expect(names.map((name) => form.get(name))).toEqual(values)
  expect((await read(FORM_TYPE, '?a=1')).get('a')).toBeUndefined()
  expect(Buffer.from(form.without(['d', 'e'])).toString()).toBe('&a=1&b&c=x%20y+z&&f=%&g=')
})

test('the arguments of JSON', async () => {
  const json = await read(JSON_TYPE, '{"a":"1","b":2,"c":[],"d":{},"e":null,"f":true}')
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'toString']
  const values: Argument[] = ['1', undefined, AMBIGUOUS, AMBIGUOUS, undefined, undefined, undefined]
  expect(names.map((name) => json.get(name))).toEqual(values)
})

// prettier-ignore
test.each([
  ['twice',                        '{"a":"1","a":"2"}',                  AMBIGUOUS],
  ['twice, of which one is none',  '{"a":null,"b":{},"a":"2"}',          AMBIGUOUS],
  ['twice, once in escapes',       '{"a":"1", "\\u0061" : "2"}',         AMBIGUOUS],
  ['once, and within others',      '{"b":{"a":"2"},"c":[{"a":"3"}],"a":"1"}', '1'],
  ['once, and in texts',           '{"b":"\\",\\"a\\":","c":"a","a":"a: \\\\","d":"a"}', 'a: \\'],
  ['once, and others twice',       '{"b":1,"b":2,"a":"1"}',              '1'],
])('an argument that JSON has %s', async (_, text, expected) => {
  expect((await read(JSON_TYPE, text)).get('a')).toBe(expected as string)
})

/** The least time that both take, of several turns: how busy the machine is slows both alike. Milliseconds. */
async function leastTimes(run: () => unknown, other: () => unknown): Promise<[number, number]> {
  const least: [number, number] = [Infinity, Infinity]
  for (let i = 0; i < 10; i++) {
    for (const [j, each] of [run, other].entries()) {
      const begun = performance.now()
      await each()
      least[j] = Math.min(least[j]!, performance.now() - begun)
    }
  }
  return least
}

const parsed = (type: string, text: string) =>
  type === JSON_TYPE ? JSON.parse(text) : new URLSearchParams(text)

test('many members cost little too, where a name is there', async () => {
  const text = `{${'"a\\u0062":[],'.repeat(18_000)}"username":"x"}`
  const [reading, parsing] = await leastTimes(
    async () => expect((await read(JSON_TYPE, text)).get('username')).toBe('x'),
    () => parsed(JSON_TYPE, text),
  )
  expect(reading / parsing).toBeLessThan(15)
})

// Parsing with a reviver, or once for each name, takes several times as long as is allowed here.
test.each([
  ['numbers', JSON_TYPE, `{"a":[${'0,'.repeat(120_000)}0]}`],
  ['escapes', FORM_TYPE, '%41&'.repeat(60_000)],
  ['broken escapes', FORM_TYPE, '%41%&'.repeat(50_000)],
])('a body of %s costs little before anybody is let in', async (_, type, text) => {
  const names = [
    'access_token',
    'refresh_token',
    'username',
    'password',
    'client_id',
    'client_secret',
  ]
  const [reading, parsing] = await leastTimes(
    async () => {
      const args = await read(type, text)
      for (const name of names) expect(args.get(name)).toBeUndefined()
    },
    () => parsed(type, text),
  )
  expect(reading / parsing).toBeLessThan(3)
})
