/** Ctrl-C in a real process: the first one ends the run cleanly, the second one ends it at once. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BuiltCli, buildCli, type Ended, endOf, untilSaid } from './built-cli.ts'
import { writeRecipe } from './command.ts'

let cli: BuiltCli
let folder = ''
let recipe = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-interrupt-'))
  recipe = await writeRecipe(join(folder, 'tiny.json'), { epochs: 50, stepsPerEpoch: 12, backend: 'tfjs-cpu' })
  cli = await buildCli()
}, 300_000)
afterAll(async () => {
  await rm(folder, { recursive: true })
  await cli.remove()
})

/** Starts a run, waits for its first update, and returns its later output. */
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
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends with a checkpoint and the command to continue', async (signal, exitCode) => {
  const out = join(folder, signal)
  const { child, ended } = await started(out)
  child.kill(signal)
  const { code, out: document, err } = await ended
  expect(code).toBe(exitCode)
  const way = /stopped; to resume: (node \S+ train --resume (\S+))/.exec(err)
  expect(way?.[2]).toBe(out)
  const { reason, steps, checkpoint } = JSON.parse(document)
  expect(reason).toBe('aborted')
  expect((await readFile(checkpoint)).length).toBeGreaterThan(1000)
  // The printed command, in the same folder.
  const resumed = await endOf(spawn(`${way?.[1]} --epochs 1 --backend tfjs-wasm --json`, { shell: true }))
  expect(resumed.err).toContain(`resuming after update ${steps}\n`)
  expect([resumed.code, JSON.parse(resumed.out)]).toEqual([0, expect.objectContaining({ steps: 12 })])
})

test('a repeated SIGHUP, as terminals send it, still leaves a checkpoint', async () => {
  const { child, ended } = await started(join(folder, 'hang-up'))
  for (let n = 0; n < 3; n++) child.kill('SIGHUP')
  const { code, out } = await ended
  expect([code, JSON.parse(out).reason]).toEqual([129, 'aborted'])
})

test('a second SIGINT ends at once, and leaves no half-written file', async () => {
  const out = join(folder, 'twice')
  const { child, ended } = await started(out, '--batch', '16') // slow steps
  child.kill('SIGINT')
  await untilSaid(child, 'Ctrl-C again ends at once')
  child.kill('SIGINT')
  const { code, signal } = await ended
  // Ended by the signal itself, which shells show as 130.
  expect([code, signal]).toEqual([null, 'SIGINT'])
  const files = (await readdir(out)).filter((name) => name.endsWith('.tmp'))
  expect(files.every((name) => name.startsWith('.'))).toBe(true)
})

test('a run whose output is closed continues to its end', async () => {
  const out = join(folder, 'unread')
  const args = ['train', '--recipe', recipe, '--epochs', '1', '--backend', 'tfjs-wasm', '--out', out, '--json']
  const child = spawn(process.execPath, [cli.path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.once('data', () => child.stderr.destroy())
  let document = ''
  child.stdout.on('data', (data) => (document += data))
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect([code, JSON.parse(document).reason]).toEqual([0, 'finished'])
})

test.skipIf(!existsSync('/dev/full'))('results that cannot be written give a readable error', async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [cli.path, 'doctor'], { stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  let err = ''
  child.stderr?.on('data', (data) => (err += data))
  const code = await new Promise((resolve) => child.on('close', resolve))
  // Dawn may print warnings about the adapter before it.
  expect([code, err.split('\n').slice(-2)]).toEqual([
    1,
    ['error EF501: cannot write the results to stdout: the disk is full', ''],
  ])
})

/** Runs a shell script on a pseudo-terminal of script(1), and returns all of its output. */
const onTerminal = (script: string, term: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('script', ['-qec', script, '/dev/null'], {
      env: { ...process.env, TERM: term, SHELL: '/bin/sh' },
    })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.on('error', reject)
    child.on('close', () => resolve(text))
  })
const hasScript = spawnSync('script', ['--version']).status === 0
const esc = '\u001b'

// Without script(1), which is part of util-linux, there is no terminal.
test.skipIf(!hasScript)(
  'on a terminal there is a bar; SIGHUP ends with a checkpoint and gives the cursor back',
  async () => {
    const out = join(folder, 'terminal')
    const command = `'${process.execPath}' '${cli.path}' train --recipe '${recipe}' --out '${out}'`
    const text = await onTerminal(
      `${command} & p=$!; while ! test -s '${out}/metrics.jsonl'; do sleep 0.1; done; kill -HUP $p; wait $p; echo code $?`,
      'xterm',
    )
    expect(text).toContain('code 129')
    expect(text).toMatch(/stopped; to resume: node \S+ train --resume /)
    expect(text).toContain(`${esc}[?25l`)
    expect(text.lastIndexOf(`${esc}[?25h`)).toBeGreaterThan(text.lastIndexOf(`${esc}[?25l`))
  },
)

test.skipIf(!hasScript)('a dumb terminal gets lines and no escape codes', async () => {
  const args = `--epochs 1 --steps-per-epoch 2 --backend tfjs-wasm --out '${join(folder, 'dumb')}'`
  const text = await onTerminal(`'${process.execPath}' '${cli.path}' train --recipe '${recipe}' ${args}`, 'dumb')
  expect(text).toContain('update 1/2')
  expect(text).toContain('test accuracy: ')
  expect(text).not.toContain(esc)
})
