import { expect, test } from 'bun:test'
import { HeaderList } from '../../../src/headers.ts'
import { createRouter, type RouteRule } from '../../../src/router/router.ts'
import { random } from '../random.ts'

const FLAVORS = ['traditional_compatible', 'expressions', 'traditional'] as const

test.each(FLAVORS)(
  '%s: an exact value leads to the route that a regex of that value leads to',
  (flavor) => {
    // A regex is no key of the index, so such a route is always tried.
    const next = random(46)
    const pick = (all: readonly string[]) => all[next(all.length)]!
    const wrong: unknown[] = []
    let found = 0
    for (let i = 0; i < 300; i++) {
      const routes = Array.from({ length: 1 + next(20) }, (_, number): RouteRule => {
        const names = ['X-Kind', 'x_tenant', 'x-other'].filter(() => next(2) === 0)
        return {
          id: `00000000-0000-4000-8000-${String(next(1e9)).padStart(12, '0')}`,
          protocols: ['http', 'https'],
          paths: next(3) ? [pick(['/', '/a', '/a/b', '~/a/?$'])] : undefined,
          hosts: next(3) ? undefined : [pick(['a.test', '*.test', 'b.*'])],
          headers: Object.fromEntries(names.map((name) => [name, [pick(['One', 'two', 'three'])]])),
          created_at: number,
        }
      })
      const asRegexes = routes.map((route) => ({
        ...route,
        headers: Object.fromEntries(
          Object.entries(route.headers ?? {}).map(([name, [value = '']]) => [
            name,
            [`~*^${value.toLowerCase()}$`],
          ]),
        ),
      }))
      const [exact, regex] = [routes, asRegexes].map((rules) =>
        createRouter(
          flavor,
          rules.map((rule, number) => [rule, number] as const),
        ),
      )
      for (let k = 0; k < 30; k++) {
        const names = ['X-KIND', 'X-Tenant', 'X_Tenant', 'x-other', 'x-kind']
        const sent = names.filter(() => next(2) === 0)
        const request = {
          method: 'GET',
          host: pick(['a.test', 'b.test', 'b.a']),
          path: pick(['/', '/a', '/a/b/c']),
          port: 80,
          headers: HeaderList.of(sent.map((name) => [name, pick(['one', 'ONE', 'Two', 'four'])])),
        }
        const [ours, theirs] = [exact?.match(request), regex?.match(request)]
        found += ours ? 1 : 0
        if (ours?.value !== theirs?.value) wrong.push({ routes, request, ours, theirs })
      }
    }
    expect(wrong).toEqual([])
    expect(found).toBeWithin(1500, 8900)
  },
)

test.each(FLAVORS)(
  '%s: of 10,000 routes that differ in a header one is found at once',
  (flavor) => {
    const router = createRouter(
      flavor,
      Array.from({ length: 10_000 }, (_, i) => {
        const id = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`
        const headers = { 'X-Kind': ['a'], 'X-Tenant': [`Tenant-${i}`] }
        return [{ id, protocols: ['http'], paths: ['/'], headers }, i] as const
      }),
    )
    const find = (tenant: string) =>
      router.match({
        method: 'GET',
        host: 'a.test',
        path: '/a',
        port: 80,
        headers: HeaderList.of([
          ['x-kind', 'a'],
          ['x-tenant', tenant],
        ]),
      })?.value
    expect(find('tenant-5077')).toBe(5077)
    const started = performance.now()
    for (let i = 0; i < 1000; i++) expect(find('nobody')).toBeUndefined()
    // One after the other it is 5 seconds and more.
    expect(performance.now() - started).toBeLessThan(500)
  },
)
