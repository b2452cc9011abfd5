// Runs the Bun that this project pins: `node scripts/bun.mjs <arguments of bun>`.
//
// npm leaves `node_modules/.bin/bun` unusable under some settings, and then a plain `bun` in an npm
// script would find one of a parent folder or of PATH. This file needs nothing but Node 18.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'node_modules', 'bun')
const executable = join(folder, 'bin', 'bun.exe') // it has this name on every system

const pinned = readJson(join(root, 'package.json')).devDependencies.bun
const installed = readJson(join(folder, 'package.json'))?.version

if (!installed) fail(`Bun ${pinned} is not installed: run "npm install --include=dev" in ${root}`)
if (installed !== pinned) {
  fail(`Bun ${installed} is installed where ${pinned} is pinned: run "npm install" in ${root}`)
}
if (version() !== pinned) mend()
if (version() !== pinned) {
  fail(`Bun ${pinned} does not run here: delete node_modules and run "npm install" in ${root}`)
}
run(process.argv.slice(2))

/** The version that the executable reports, or undefined where it cannot be run. */
function version() {
  const { BUN_OPTIONS: _, ...env } = process.env // its options would be taken before --version
  const { status, stdout } = spawnSync(executable, ['--version'], { encoding: 'utf8', env })
  return status === 0 ? stdout.trim() : undefined
}

/**
 * Puts the real executable where npm left a stub. With `omit=optional` the package that holds it is
 * absent too; npm brings it, so that the user's registry and the lock file's hash both hold. With
 * `ignore-scripts` only Bun's own install script has not run.
 */
function mend() {
  if (!existsSync(join(root, 'node_modules', '@oven'))) {
    const wanted = ['install', '--no-save', '--include=dev', '--include=optional']
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const npm = process.env.npm_execpath ?? ''
    const [command, ...first] = basename(npm) === 'npm-cli.js' ? [process.execPath, npm] : ['npm']
    quietly(command, [...first, ...wanted, ...quiet], root)
  }
  quietly(process.execPath, ['install.js'], folder)
}

/** Runs a command to its end; its output is shown only if it fails, as it is then the cause. */
function quietly(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(error ? `${error.message}\n` : stdout + stderr)
  fail(`Bun ${pinned} could not be made ready: run "npm install --include=optional" in ${root}`)
}

/** Becomes the program as far as Node can: same streams, its signals, its exit code. */
function run(args) {
  const child = spawn(executable, args, { stdio: 'inherit' })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
  // A terminal's Ctrl-C reaches the program by itself; passed on too, it would look like a second one.
  const ofTerminal = isatty(0) ? ['SIGINT', 'SIGQUIT'] : []
  for (const signal of signals) {
    process.on(signal, () => ofTerminal.includes(signal) || child.kill(signal))
  }
  // npm passes TERM on only to the shell between, which dies of it alone.
  const { ppid } = process
  const orphaned = () => process.ppid !== ppid && child.kill('SIGTERM')
  const watch = process.env.npm_lifecycle_event ? setInterval(orphaned, 100) : undefined
  child.on('error', (error) => fail(`Bun ${pinned} could not be started: ${error.message}`))
  child.on('exit', (code, signal) => {
    clearInterval(watch)
    for (const signal of signals) process.removeAllListeners(signal)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}
