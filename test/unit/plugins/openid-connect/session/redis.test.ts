import { expect, test } from 'bun:test'
import { createRedisStorage } from '../../../../../src/plugins/openid-connect/session/redis.ts'

/** A storage whose Redis answers when it is told to. */
function slowRedis() {
  const asked: { readonly command: string; readonly answer: (value: unknown) => void }[] = []
  const redis = {
    send: (command: string) =>
      new Promise<unknown>((answer) => void asked.push({ command, answer })),
  }
  const keep = <T extends object>() => redis as unknown as T
  const storage = createRedisStorage({ redis: {} } as Parameters<typeof createRedisStorage>[0], {
    ca: undefined,
    keep,
    now: () => 1_800_000_000_000,
  })
  return { asked, storage }
}

test('a session is there only once all lists name it', async () => {
  const { asked, storage } = slowRedis()
  const put = storage.set('a', Buffer.from('x'), 60, ['alex', 'sid-1'])
  await Bun.sleep(0)
  expect(asked.map(({ command }) => command)).toEqual(['EVAL', 'EVAL'])
  asked[0]!.answer(null)
  await Bun.sleep(0)
  expect(asked).toHaveLength(2)
  asked[1]!.answer(null)
  await Bun.sleep(0)
  expect(asked.map(({ command }) => command)).toEqual(['EVAL', 'EVAL', 'SET'])
  asked[2]!.answer('OK')
  expect(await put).toBe(true)
})
