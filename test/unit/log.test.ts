import { expect, test } from 'bun:test'
import { createLog, explain } from '../../src/log.ts'

function lines(level: Parameters<typeof createLog>[0] = 'debug') {
  const written: string[] = []
  const log = createLog(
    level,
    (line) => void written.push(line),
    () => Date.UTC(2026, 0, 31, 12),
  )
  return { log, written }
}

test('a line has a time, a level, a message and facts', () => {
  const { log, written } = lines()
  log.notice('401 GET /', { code: 'invalid_token', request_id: 'abc', route: undefined, tries: 2 })
  expect(written).toEqual([
    '2026/01/31 12:00:00 [notice] 401 GET / code=invalid_token request_id=abc tries=2\n',
  ])
})

test('a level leaves out what is less urgent', () => {
  const { log, written } = lines('warn')
  for (const level of ['debug', 'info', 'notice', 'warn', 'error'] as const) log[level](level)
  expect(written.map((line) => line.split('] ')[1])).toEqual(['warn\n', 'error\n'])
})

test('nothing from outside can forge a line, a fact or a colour', () => {
  const { log, written } = lines()
  const hostile = 'x\r\n2026/01/31 12:00:00 [notice] fine\x1b[2K\x85\0'
  log.error(hostile, { path: hostile, empty: '', forged: 'a b=c "d"', cause: new Error(hostile) })
  expect(written).toHaveLength(1)
  expect(written[0]).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
  expect(written[0]!.indexOf('\n')).toBe(written[0]!.length - 1)
  expect(written[0]).toContain(' empty="" forged="a b=c \\"d\\"" ')
})

test('an error is told with its causes, each once, and never with its stack', () => {
  const cause = new Error('connection refused')
  expect(explain(new Error('no answer', { cause }))).toBe('no answer: connection refused')
  expect(explain(new Error('no answer: connection refused', { cause }))).toBe(
    'no answer: connection refused',
  )
  expect(explain(new TypeError(''))).toBe('TypeError')
  expect(explain('text')).toBe('text')
  const { log, written } = lines()
  log.error('failed', { cause: new Error('a', { cause: 'b' }) })
  expect(written[0]).toBe('2026/01/31 12:00:00 [error] failed cause="a: b"\n')
})
