/** Processes and threads that exit while TensorFlow computes: they exit normally, without a crash. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ended, endOf, untilSaid } from '../../cli/built-cli.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

tensorflowOrSkip('a process on TensorFlow', () => {
  const cache = fileURLToPath(new URL('../../../node_modules/.cache', import.meta.url))
  let folder = ''
  let file = ''
  beforeAll(async () => {
    mkdirSync(cache, { recursive: true })
    folder = mkdtempSync(join(cache, 'effuse-tensorflow-process-')) // in the cache next to the packages, so that Node finds them
    file = join(folder, 'program.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('process-program.ts', import.meta.url))],
      ...{ outfile: file, bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
      conditions: ['effuse-source', 'node', 'import'],
    })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const ended = async (mode: string, signal?: NodeJS.Signals): Promise<Ended> => {
    const child = spawn(process.execPath, [file, mode])
    const end = endOf(child)
    if (signal !== undefined) {
      await untilSaid(child, 'running')
      child.kill(signal)
    }
    return end
  }
  const quiet = { err: 'running\n', out: '' }

  test('exits after a run that is not awaited', async () => {
    expect(await ended('pending')).toEqual({ code: 0, signal: null, ...quiet })
  })
  test('ends at once by process.exit() in the middle of a run', async () => {
    expect(await ended('exit')).toEqual({ code: 7, signal: null, ...quiet })
  })
  test('ends by an exception in the middle of a run', async () => {
    const { code, signal, err } = await ended('throws')
    expect([code, signal, err]).toEqual([1, null, expect.stringContaining('Error: mine')])
  })
  test.each(['SIGINT', 'SIGTERM'] as const)('ends by %s in the middle of a run', async (signal) => {
    expect(await ended('signal', signal)).toEqual({ code: null, signal, ...quiet })
  })
  test("runs the user's handler of a signal in the middle of a run", async () => {
    expect(await ended('handler', 'SIGTERM')).toEqual({ code: 3, signal: null, ...quiet })
  })
  test('has threads with contexts of their own, which may end in the middle of their runs', async () => {
    const { code, signal, out, err } = await ended('workers')
    expect([code, signal, err]).toEqual([0, null, ''])
    const { all, first } = JSON.parse(out)
    expect(first).toBeCloseTo(1 / 1200, 6)
    // Another result may arrive before the thread has ended.
    for (const [state, ...results] of all) {
      expect(state).toBe('running')
      expect(results.length).toBeGreaterThanOrEqual(3)
      expect(new Set(results)).toEqual(new Set([first]))
    }
    expect(all).toHaveLength(2)
  })
  test('does not block the event loop while TensorFlow computes', async () => {
    // The run takes about a second. If it blocked this thread, there would be two or three turns.
    expect(Number((await ended('loop')).out)).toBeGreaterThan(20)
  })
  test('feeds and reads do not leak memory', async () => {
    expect(Number((await ended('memory')).out)).toBeLessThan(200) // of 5 GB
  })
})
