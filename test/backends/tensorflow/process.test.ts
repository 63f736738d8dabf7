/** Processes and threads that exit while TensorFlow computes: they exit normally, without a crash. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ended, endOf, untilSaid } from '../../cli/built-cli.ts'
import { bindingReason, hasBinding, tensorflowOrSkip } from '../../support/tensorflow.ts'

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

  const ended = async (mode: string, signal?: NodeJS.Signals, env: NodeJS.ProcessEnv = {}): Promise<Ended> => {
    const child = spawn(process.execPath, [file, mode], { env: { ...process.env, ...env } })
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
  describe.runIf(process.platform === 'linux')('has threads for each context', () => {
    const variable = 'TF_OVERRIDE_GLOBAL_THREADPOOL'
    const pools = async (mode: string, value: string | undefined) => {
      const { code, out } = await ended(mode, undefined, { [variable]: value })
      expect(code).toBe(0)
      return JSON.parse(out) as { readonly own: boolean; readonly threads: number }
    }
    test('by default, and not if the user says so', async () => {
      const [own, users, shared] = [
        await pools('pools', undefined),
        await pools('pools', 'true'),
        await pools('pools', '0'),
      ]
      expect([own.own, users.own, shared.own]).toEqual([true, true, false])
      expect(own.threads - shared.threads).toBe(5)
      expect(users.threads).toBe(own.threads)
    })
    test('of which child processes inherit no variable but the one that the user has set', async () => {
      const { threads: shared } = await pools('pools', '0')
      const of = async (value: string | undefined) => {
        const { code, out } = await ended('pools and children', undefined, { [variable]: value })
        expect(code).toBe(0)
        return JSON.parse(out)
      }
      const own = { own: true, threads: shared + 5 }
      const none = { own: false, threads: shared }
      expect(await of(undefined)).toEqual({ inherited: null, here: own, inWorker: own })
      expect(await of('true')).toEqual({ inherited: 'true', here: own, inWorker: own })
      expect(await of('0')).toEqual({ inherited: '0', here: none, inWorker: none })
    })
    test.runIf(hasBinding)(`not if tfjs-node was loaded before${bindingReason}`, async () => {
      const [after, shared] = [await pools('pools after tfjs-node', undefined), await pools('pools', '0')]
      expect([after.own, after.threads]).toEqual([false, shared.threads])
    })
  })
  test('feeds and reads do not leak memory', async () => {
    expect(Number((await ended('memory')).out)).toBeLessThan(200) // of 5 GB
  })
})
