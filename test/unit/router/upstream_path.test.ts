import { expect, test } from 'bun:test'
import { upstreamPath } from '../../../src/router/upstream_path.ts'

const strip = true
const keep = false

// prettier-ignore
test.each([
  // service path, what matched, strip_path, request path -> what the service is asked for
  ['/',      '/r',     strip,  '/r',           '/'],
  ['/',      '/r',     strip,  '/r/',          '/'],
  ['/',      '/r',     strip,  '/r/x',         '/x'],
  ['/',      '/r',     strip,  '/rx',          '/x'],
  ['/',      '/r',     keep,   '/r/x',         '/r/x'],
  ['/s',     '/r',     strip,  '/r',           '/s'],
  ['/s',     '/r',     strip,  '/r/',          '/s/'],
  ['/s',     '/r',     strip,  '/rx',          '/s/x'],
  ['/s',     '/r',     strip,  '/r/x/',        '/s/x/'],
  ['/s',     '/r',     keep,   '/rx',          '/s/rx'],
  ['/s',     '/',      strip,  '/',            '/s'],
  ['/s',     '/',      keep,   '/',            '/s'],
  ['/s',     '/',      strip,  '/x',           '/s/x'],
  ['/s/',    '/',      keep,   '/',            '/s/'],
  ['/s/',    '/r',     strip,  '/r',           '/s'],
  ['/s/',    '/r',     strip,  '/r/',          '/s/'],
  ['/s/',    '/r',     strip,  '/r/x',         '/s/x'],
  ['/s/',    '/r',     keep,   '/r',           '/s/r'],
  // a route without paths
  ['/s',     '',       strip,  '/',            '/s'],
  ['/s',     '',       strip,  '/x/',          '/s/x/'],
  // dots that only stripping laid bare must not climb
  ['/s',     '/r',     strip,  '/r..',         '/s'],
  ['/s',     '/r',     strip,  '/r.',          '/s'],
  ['/s',     '/r',     strip,  '/r../x',       '/s/x'],
  ['/s/',    '/r',     strip,  '/r../',        '/s/'],
  ['/s',     '/r',     strip,  '/r.../x',      '/s/.../x'],
])('%s, %s, strip_path %p: %s is %s', (base, matched, strip, path, expected) => {
  expect(upstreamPath({ base, strip }, path, matched)).toBe(expected)
})

// prettier-ignore
test.each([
  ['/',      '/r',     strip,  '/r/x',         '/x'],
  ['/',      '/r',     keep,   '/r/x',         '/r/x'],
  ['/s',     '/r',     strip,  '/r',           '/s'],
  ['/s',     '/r',     strip,  '/r/',          '/s/'],
  ['/s',     '/r',     strip,  '/rx',          '/sx'],
  ['/s',     '/r',     strip,  '/r/x',         '/s/x'],
  ['/s',     '/r',     keep,   '/rx',          '/srx'],
  ['/s/',    '/r',     strip,  '/r/x',         '/s/x'],
  ['/s/',    '/r',     strip,  '/r',           '/s/'],
  ['/s',     '',       strip,  '/x/',          '/sx/'],
  ['/s',     '/r',     strip,  '/r../x',       '/sx'],
])('with v1 %s, %s, strip_path %p: %s is %s', (base, matched, strip, path, expected) => {
  expect(upstreamPath({ base, strip, handling: 'v1' }, path, matched)).toBe(expected)
})
