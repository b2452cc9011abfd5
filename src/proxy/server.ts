import { Elysia } from 'elysia'
import type { Exchange } from '../front/exchange.ts'

/** What Elysia is told: the answer is on its way already, written on the exchange. */
const ANSWERED = new Response(null)

/** The Elysia application that every proxied request passes, whichever listener it came by. */
export function createApp(handle: (exchange: Exchange) => void) {
  return new Elysia().all(
    '/*',
    ({ request }) => {
      handle(request as unknown as Exchange)
      return ANSWERED
    },
    { parse: 'none' },
  )
}
