/** Setup that is killed, interrupted, or called twice, in separate processes, with a pip and a Python that stop at given steps. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { isAlive } from '../../src/platform/node-folder-lock.ts'
import { type BuiltCli, buildCli, endOf, untilSaid } from '../cli/built-cli.ts'
import { enterPlace, filesIn, hookMs, leavePlace, type Place, writePackage } from './fakes.ts'

let place: Place
let program: string
const orphans: string[] = []

/** A Python that stops for a minute in the middle of the step that the file `stop-at` names. */
const python = (at: Place): string => `#!/bin/bash
stop() {
  [ -e "${at.folder}/stop-at" ] && [ "$(cat "${at.folder}/stop-at")" = "$1" ] || return 0
  echo half > "$2"
  echo $$ > "${at.folder}/stopped"
  exec sleep 60
}
for last in "$@"; do :; done
case "$*" in
  *"pip --version"*) exit 0 ;;
  *"pip download"*)
    while [ "$1" != --dest ]; do shift; done
    stop download "$2/half.whl"
    cp "${at.wheelFile}" "$2/" ;;
  *)
    if [ "$3" = unpack ]; then
      mkdir -p "$5/tensorflow"
      stop unpack "$5/tensorflow/libtensorflow_cc.so.2"
    fi
    exec "$REAL_PYTHON" "$@" ;;
esac
`

beforeEach(async () => {
  place = enterPlace()
  const bin = join(place.folder, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'python3'), python(place))
  chmodSync(join(bin, 'python3'), 0o755)
  writePackage(place.project, '@tensorflow/tfjs-node', '4.22.0')
  writePackage(place.project, 'node-gyp', '12.4.0') // it has no program: the binding fails, which this test does not check
  program = join(place.folder, 'child.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('child.ts', import.meta.url))],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' },
    conditions: ['effuse-source', 'node'],
  })
}, hookMs)
afterEach(() => {
  for (const id of orphans.splice(0)) {
    try {
      process.kill(Number(id), 'SIGKILL')
    } catch {
      // It has exited with its parent.
    }
  }
  leavePlace(place)
}, hookMs)

const start = (...argv: readonly string[]): ChildProcess => {
  const path = `${join(place.folder, 'bin')}:${process.env['PATH']}`
  const real = ['/usr/bin/python3', ...(process.env['PATH'] ?? '').split(':').map((part) => join(part, 'python3'))]
  const env = { ...process.env, PATH: path, REAL_PYTHON: real.find((file) => existsSync(file)) }
  return spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] })
}
const startSetup = (): ChildProcess =>
  start(program, JSON.stringify({ project: join(place.project, 'package.json'), wheel: place.wheel }))

const stopAt = (step: string): void => writeFileSync(join(place.folder, 'stop-at'), step)
const goOn = (): void => rmSync(join(place.folder, 'stop-at'))

const untilStopped = async (): Promise<void> => {
  const file = join(place.folder, 'stopped')
  for (let i = 0; !existsSync(file) || readFileSync(file, 'utf8') === ''; i++) {
    if (i > 600) throw new Error('the step was not reached')
    await delay(50)
  }
  orphans.push(readFileSync(file, 'utf8').trim())
}

const installedFiles = (): readonly string[] => filesIn(place.cache).filter((name) => !name.startsWith('.run-lock'))

test.each(['download', 'unpack'])(
  'killed during %s: nothing is installed, and the next call installs it',
  async (step) => {
    stopAt(step)
    const killed = startSetup()
    const end = endOf(killed)
    await untilStopped()
    killed.kill('SIGKILL')
    expect((await end).signal).toBe('SIGKILL')
    // Partial files exist, under a name that does not count as an installation.
    expect(installedFiles().every((name) => name.startsWith('unfinished-'))).toBe(true)
    expect(installedFiles()).not.toEqual([])
    expect(findTensorflow([join(place.project, 'package.json')])).toMatchObject({ fix: 'npx effuse setup tensorflow' })

    goOn()
    const { code, out } = await endOf(startSetup())
    expect([code, out]).toEqual([0, expect.stringContaining('was there: false')])
    expect(findTensorflow()).toMatchObject({ version: '9.9.9', source: 'setup' })
    expect(installedFiles().filter((name) => name.startsWith('unfinished-'))).toEqual([])
  },
)

test('killed ten times at random: it is installed completely or not at all, and finally completely', async () => {
  for (let i = 0; i < 10; i++) {
    const killed = startSetup()
    const end = endOf(killed)
    await delay(100 * i)
    killed.kill('SIGKILL')
    await end
    const found = findTensorflow([join(place.project, 'package.json')])
    if ('missing' in found) expect(found.missing).toBe("TensorFlow's library is not installed")
    else expect(found).toMatchObject({ version: '9.9.9', source: 'setup' })
  }
  expect((await endOf(startSetup())).code).toBe(0)
  expect(findTensorflow()).toMatchObject({ version: '9.9.9', source: 'setup' })
  expect(installedFiles().filter((name) => name.startsWith('unfinished-'))).toEqual([])
})

test('two processes: the second waits for the first, and takes over when the first is killed', async () => {
  stopAt('unpack')
  const first = startSetup()
  const firstEnd = endOf(first)
  await untilStopped()
  goOn()
  const second = startSetup()
  const said = new Promise<void>((resolve) =>
    second.stdout?.on('data', (text) => String(text).includes(`process ${first.pid}`) && resolve()),
  )
  const secondEnd = endOf(second)
  await said
  first.kill('SIGKILL')
  await firstEnd
  const { code, out } = await secondEnd
  expect([code, out]).toEqual([0, expect.stringContaining('was there: false')])
  expect(findTensorflow()).toMatchObject({ version: '9.9.9' })
})

test('Ctrl-C in a waiting process does not affect the working one', async () => {
  const cli: BuiltCli = await buildCli()
  try {
    stopAt('unpack')
    startSetup()
    await untilStopped()
    const before = installedFiles()
    const waiting = start(cli.path, 'setup', 'tensorflow')
    const end = endOf(waiting)
    await untilSaid(waiting, 'another setup is running')
    waiting.kill('SIGINT')
    expect((await end).signal).toBe('SIGINT')
    expect(before.filter((name) => name.includes('libtensorflow_cc'))).toHaveLength(1)
    expect(installedFiles()).toEqual(before)
  } finally {
    await cli.remove()
  }
})

test('Ctrl-C during the command: it exits at once with all its child processes, and leaves no files', async () => {
  const cli: BuiltCli = await buildCli()
  try {
    stopAt('download')
    const child = start(cli.path, 'setup', 'tensorflow')
    const end = endOf(child)
    await untilStopped()
    child.kill('SIGINT')
    const { signal, out } = await end
    expect([signal, out]).toEqual(['SIGINT', ''])
    expect(installedFiles()).toEqual([])
    await vi.waitFor(() => expect(isAlive(Number(orphans[0]))).toBe(false))
  } finally {
    await cli.remove()
  }
})
