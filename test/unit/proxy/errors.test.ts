import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { createErrorWriter } from '../../../src/error_body.ts'
import { brokenRequest } from '../../../src/proxy/errors.ts'

const errorBody = createErrorWriter()

const VECTORS = `${import.meta.dir}/../../../../shared/data/core-vectors.jsonl`

// prettier-ignore
test.each([
  [undefined,                                   'application/json; charset=utf-8', '{\n  "message":"No",\n  "request_id":"1"\n}'],
  ['text/plain',                                'text/plain; charset=utf-8',       'No\nrequest_id: 1\n'],
  ['image/png',                                 'application/json; charset=utf-8', '{\n  "message":"No",\n  "request_id":"1"\n}'],
  ['application/json;q=0.1, text/plain;q=0.9',  'text/plain; charset=utf-8',       'No\nrequest_id: 1\n'],
  ['constructor',                               'application/json; charset=utf-8', '{\n  "message":"No",\n  "request_id":"1"\n}'],
  ['text/html;q=0, text/plain',                 'text/plain; charset=utf-8',       'No\nrequest_id: 1\n'],
])('for Accept: %s an error is %s', (accept, contentType, body) => {
  expect(errorBody('No', '1', accept)).toEqual({ contentType, body })
})

test('what breaks HTTP is told in text, and that the connection closes', () => {
  const answer = brokenRequest(494, 'abc', errorBody)
  expect(answer).toStartWith('HTTP/1.1 400 Bad Request\r\nDate: ')
  expect(answer).toContain('\r\nContent-Length: 51\r\n')
  expect(answer).toContain('\r\nConnection: close\r\n')
  expect(answer).toEndWith('\r\n\r\nRequest header or cookie too large\nrequest_id: abc\n')
})

test('a template takes the place of one form: the message, then the id, in the type of that form', () => {
  const write = createErrorWriter({
    html: '<p style="width: 50%">%s, 100%%, %%s, %s</p>',
    plain: '',
  })
  expect(write('$& No', '1', 'text/html')).toEqual({
    contentType: 'text/html; charset=utf-8',
    body: '<p style="width: 50%">$& No, 100%, %s, 1</p>',
  })
  expect(write('No', '1', 'text/*')).toEqual({ contentType: 'text/plain; charset=utf-8', body: '' })
  expect(write('No', '1', 'application/xml')).toEqual(errorBody('No', '1', 'application/xml'))
})

interface Vector {
  readonly kind: string
  readonly accept: string | null
  readonly content_type: string
  readonly template: string
}

const vectors = (existsSync(VECTORS) ? readFileSync(VECTORS, 'utf8').trim().split('\n') : [])
  .map((line) => JSON.parse(line) as Vector)
  .filter(({ kind }) => kind === 'error_body')
if (vectors.length === 0) console.log("skipped: Kong's error bodies, which are not in ../shared")

test('errors have the forms of Kong', () => {
  const wrong = vectors.filter(({ accept, content_type: contentType, template }) => {
    const body = template.replace('%s', 'Oh no').replace('%s', '0123')
    return !Bun.deepEquals(errorBody('Oh no', '0123', accept ?? undefined), { contentType, body })
  })
  expect(wrong).toEqual([])
})
