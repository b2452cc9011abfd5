/** Runs the tests of the openid-connect plugin and prints how many of its lines they reach; fails below the share that must be. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FOLDER = 'src/plugins/openid-connect/'
const LEAST = 0.95
const TESTS = [
  './test/unit/plugins/openid-connect',
  ...files('./test/http/**/openid-connect*.test.ts'),
]

const folder = mkdtempSync(join(tmpdir(), 'coverage-'))
try {
  const { exitCode } = Bun.spawnSync(
    // prettier-ignore
    [process.execPath, 'test', '--coverage', '--coverage-reporter=lcov', `--coverage-dir=${folder}`, ...TESTS],
    { stdout: 'inherit', stderr: 'inherit' },
  )
  const { reached, all } = linesIn(readFileSync(join(folder, 'lcov.info'), 'utf8'))
  const share = reached / all
  console.log(`${FOLDER}: ${reached} of ${all} lines, ${(share * 100).toFixed(2)} %`)
  process.exitCode = share < LEAST ? 1 : exitCode
} finally {
  rmSync(folder, { recursive: true })
}

function files(pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync()].map((path) =>
    path.startsWith('.') ? path : `./${path}`,
  )
}

/** Counts the lines that a report in the format of lcov names. */
function linesIn(report: string): { reached: number; all: number } {
  const counts = report
    .split('end_of_record')
    .filter((record) => record.includes(`SF:${FOLDER}`))
    .flatMap((record) => [...record.matchAll(/^DA:\d+,(\d+)/gm)].map(([, count]) => Number(count)))
  return { reached: counts.filter((count) => count > 0).length, all: counts.length }
}
