/** Ctrl-C in a real process: the first ends the run well, the second at once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BuiltCli, buildCli, type Ended, endOf, untilSaid } from './built-cli.ts'
import { run, writeRecipe } from './command.ts'

let cli: BuiltCli
let folder = ''
let recipe = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-interrupt-'))
  recipe = await writeRecipe(join(folder, 'tiny.json'), { epochs: 50, stepsPerEpoch: 12, backend: 'tfjs-cpu' })
  cli = await buildCli()
}, 60_000)
afterAll(async () => {
  await rm(folder, { recursive: true })
  await cli.remove()
})

/** Starts a run, waits for its first update, and gives what it says from then on. */
const started = async (
  out: string,
  ...more: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<Ended> }> => {
  const child = spawn(process.execPath, [cli.path, 'train', '--recipe', recipe, '--out', out, '--json', ...more])
  const ended = endOf(child)
  await untilSaid(child, 'update 1/')
  return { child, ended }
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends with a checkpoint and the way to go on', async (signal, exitCode) => {
  const out = join(folder, signal)
  const { child, ended } = await started(out)
  child.kill(signal)
  const { code, out: document, err } = await ended
  expect(code).toBe(exitCode)
  expect(err).toContain(`stopped; to go on: effuse train --resume ${out}`)
  const { reason, steps, checkpoint } = JSON.parse(document)
  expect(reason).toBe('aborted')
  expect((await readFile(checkpoint)).length).toBeGreaterThan(1000)
  const resumed = await run('train', '--resume', out, '--epochs', '1', '--backend', 'tfjs-wasm', '--json')
  expect(resumed.err).toContain(`going on after update ${steps}\n`)
  expect([resumed.code, JSON.parse(resumed.out)]).toEqual([0, expect.objectContaining({ steps: 12 })])
})

test('a second SIGINT ends at once, and leaves no half-written file', async () => {
  const out = join(folder, 'twice')
  const { child, ended } = await started(out, '--batch', '16') // steps that last
  child.kill('SIGINT')
  await untilSaid(child, 'Ctrl-C again ends at once')
  child.kill('SIGINT')
  const { code, signal } = await ended
  // Ended by the signal itself, which shells show as 130.
  expect([code, signal]).toEqual([null, 'SIGINT'])
  const files = (await readdir(out)).filter((name) => name.endsWith('.tmp'))
  expect(files.every((name) => name.startsWith('.'))).toBe(true)
})

test('a run whose progress nobody reads any more goes on to its end', async () => {
  const out = join(folder, 'unread')
  const args = ['train', '--recipe', recipe, '--epochs', '1', '--backend', 'tfjs-wasm', '--out', out, '--json']
  const child = spawn(process.execPath, [cli.path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.once('data', () => child.stderr.destroy())
  let document = ''
  child.stdout.on('data', (data) => (document += data))
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect([code, JSON.parse(document).reason]).toEqual([0, 'finished'])
})

test.skipIf(!existsSync('/dev/full'))('results that nobody can take are an error in words', async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [cli.path, 'doctor'], { stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  let err = ''
  child.stderr?.on('data', (data) => (err += data))
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect([code, err]).toEqual([1, 'error EF501: cannot write the results to stdout: the disk is full\n'])
})
