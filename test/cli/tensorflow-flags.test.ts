/** NVIDIA's flags that configure TensorFlow, and --tensorboard. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { bindingReason, hasBinding, hasTensorflow, tensorflowReason } from '../support/tensorflow.ts'
import { flagsOf, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'effuse-flags-'))
afterAll(() => rmSync(folder, { recursive: true }))

const names = ['--memory_limit', '--intraop_threads', '--interop_threads'] as const

test.each(['train', 'evaluate', 'predict', 'bench'])('%s has the flags', async (command) => {
  expect(await flagsOf(command)).toEqual(expect.arrayContaining([...names]))
})

test.each(names)('%s is rejected for another backend, and must be a positive integer', async (flag) => {
  const bench = ['bench', '--model', 'lite0', '--size', '32', '--rounds', '1']
  const other = await run(...bench, '--backend', 'reference', flag, '2')
  expect([other.code, other.err]).toEqual([
    2,
    expect.stringMatching(
      new RegExp(`^error EF601: ${flag} configures the backend tensorflow, but --backend is reference`),
    ),
  ])
  const zero = await run(...bench, '--backend', 'tensorflow', flag, '0')
  expect([zero.code, zero.err]).toEqual([
    2,
    expect.stringContaining(`${flag} must be an integer of at least 1, got "0"`),
  ])
})

test.runIf(hasTensorflow)(`a model runs with them${tensorflowReason}`, async () => {
  const threads = ['--intraop_threads', '1', '--interop_threads', '1', '--memory_limit', '512']
  const { code, out } = await run(
    ...['bench', '--model', 'lite0', '--size', '32', '--rounds', '1', '--json', '--backend', 'tensorflow'],
    ...threads,
  )
  expect(code).toBe(0)
  expect(JSON.parse(out).rows[0]).toMatchObject({ backend: 'tensorflow', rounds: 1 })
})

test.runIf(hasBinding)(
  `train --tensorboard writes a file of events${bindingReason}`,
  async () => {
    const board = join(folder, 'board')
    const { code } = await run(
      ...['train', '--recipe', 'digits', '--epochs', '1', '--steps-per-epoch', '1', '--batch', '8'],
      ...['--backend', 'tfjs-wasm', '--out', join(folder, 'run'), '--tensorboard', board],
    )
    expect(code).toBe(0)
    expect(readdirSync(board).some((name) => name.includes('tfevents'))).toBe(true)
  },
  180_000,
)
