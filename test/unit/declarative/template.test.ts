import { expect, test } from 'bun:test'
import { renderTemplate } from '../../../src/declarative/template.ts'

const env = {
  DECK_A: 'alpha',
  DECK_N: '+007',
  DECK_F: '1e3',
  DECK_T: 'TRUE',
  DECK_LINES: 'a\nb',
  DECK_EMPTY: '',
}

function render(source: string) {
  const { text, unset, faults } = renderTemplate(source, env)
  return {
    text,
    unset: unset.map(({ name }) => name),
    faults: faults.map(({ message }) => message),
  }
}

// prettier-ignore
test.each([
  ['x: ${{ env "DECK_A" }}',                        'x: alpha'],
  ['x: "${{ env \\"DECK_A\\" }}"',                  'x: "alpha"'],
  ['x: ${{env `DECK_A`}}',                          'x: alpha'],
  ['x: ${{ env "DECK_N" | toInt }}',                'x: 7'],
  ['x: ${{ toFloat (env "DECK_F") }}',              'x: 1000'],
  ['x: ${{ env "DECK_T" | toBool }}',               'x: true'],
  ['x: ${{ toBool "f" }}',                          'x: false'],
  ['x: |\n  ${{ env "DECK_LINES" | indent 2 }}\n',  'x: |\n  a\n  b\n'],
  ['x: ${{ indent 2 (env "DECK_LINES") }}',         'x: a\n  b'],
  ['x: [\n  ${{- env "DECK_A" -}}\n]',              'x: [alpha]'],
  ['x: ${{ "a}}b" }}',                              'x: a}}b'],
  ['x: "${{ env "DECK_EMPTY" }}"',                  'x: ""'],
  ['x: $DECK_A {{ a }} ${A}',                       'x: $DECK_A {{ a }} ${A}'],
  ['  # ${{ nonsense\nx: 1',                        '  # ${{ nonsense\nx: 1'],
])('%p is %p', (source, text) => {
  expect(render(source)).toEqual({ text, unset: [], faults: [] })
})

// prettier-ignore
test.each([
  ['${{ env "HOME" }}',               'the name of the variable "HOME" must begin with DECK_'],
  ['${{ env DECK_A }}',               'env: wrong number of arguments'],
  ['${{ env "DECK_A" "DECK_N" }}',    'env: wrong number of arguments'],
  ['${{ constructor "x" }}',          'unexpected "constructor" in a template; it knows env, toBool, toInt, toFloat, indent'],
  ['${{ env "DECK_A" | toInt }}',     'a template converts a variable that has not the form for it'],
  ['${{ env "DECK_A"',                'a template that opens with ${{ is not closed by }} or cannot be read'],
  ['${{ (env "DECK_A" }}',            'a parenthesis of a template is not closed'],
])('%p is a fault', (source, message) => {
  expect(render(source).faults).toEqual([message])
})

test('variables that are not set are named once, all of them, and their conversions are no faults', () => {
  const source = 'a: ${{ env "DECK_X" }}\nb: ${{ env "DECK_Y" | toInt }}\nc: ${{ env "DECK_X" }}'
  expect(render(source)).toMatchObject({ unset: ['DECK_X', 'DECK_Y'], faults: [] })
})

test('a converted secret is not in the message', () => {
  expect(JSON.stringify(render('${{ env "DECK_A" | toFloat }}').faults)).not.toContain('alpha')
})

test('an offset of the text is one of the file again', () => {
  const source = 'a: ${{ env "DECK_LINES" }} b ${{ env "DECK_A" }} c'
  const { text, sourceOffset } = renderTemplate(source, env)
  for (const mark of ['a:', ' b ', ' c'])
    expect(sourceOffset(text.indexOf(mark))).toBe(source.indexOf(mark))
})
