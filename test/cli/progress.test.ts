/** The progress of a run: a bar on a terminal, otherwise lines. */
import { PassThrough } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { makeCount, progressOutputOf } from '../../src/cli/train/progress.ts'
import type { EvaluationEvent, StageEvent, StepEvent } from '../../src/train/events.ts'
import { durationWords, makeProgress } from '../../src/train/progress.ts'

const step = (at: number, more: Partial<StepEvent> = {}): StepEvent => ({
  kind: 'step',
  step: at,
  position: at,
  steps: 100,
  epoch: Math.floor((at - 1) / 50),
  stepInEpoch: ((at - 1) % 50) + 1,
  stepsPerEpoch: 50,
  loss: 1.25,
  accuracy: null,
  learningRate: 0.1,
  lossScale: 1,
  finite: true,
  skippedSteps: 0,
  imagesPerSecond: 64,
  ...more,
})
const evaluation: EvaluationEvent = {
  ...{ kind: 'evaluation', epoch: 0, step: 50, top1: 0.5, top5: 0.9, loss: 2, count: 4, isBest: true },
  ...{ emaTop1: 0.625, emaTop5: 0.9, emaLoss: 2, metrics: {}, emaMetrics: {} },
}
const stage: StageEvent = {
  ...{ kind: 'stage', epoch: 0, backend: 'tfjs-wasm', compileMs: 1500, step: 7 },
  stage: {
    ...{ index: 0, count: 1, firstEpoch: 0, epochs: 2 },
    ...{ size: undefined, dropout: undefined, augmentation: undefined, mixup: undefined },
  },
}

/** A terminal of 120 columns that records its output. */
const terminal = () => {
  let text = ''
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 120 })
  stream.on('data', (data: Buffer) => {
    text += data.toString()
  })
  return { stream, text: () => text }
}

test('a bar shows the epoch, the speed and the remaining time, with lines above it', () => {
  const { stream, text } = terminal()
  const lines: string[] = []
  const io = { out: () => {}, err: (line: string) => lines.push(line), terminal: stream }
  const progress = makeProgress(progressOutputOf(io), { rowsPerUpdate: 32, epochs: 2 })
  progress.onEvent(stage)
  progress.onEvent(step(20))
  expect(text()).toContain('epoch 1/2  20/100  loss 1.2500  64 images/s  0:40 left')
  expect(text()).toMatch(/20 % /)
  progress.onEvent(evaluation)
  const before = text().length
  progress.onEvent({ kind: 'notice', message: 'the disk is slow' })
  progress.onEvent({ ...evaluation, metrics: { distance: 1.5 }, emaMetrics: { distance: 0.123456 } })
  // The bar is drawn again below the line.
  expect(text().slice(before)).toContain('  20/100  ')
  progress.stop()
  expect(lines).toEqual([
    'compiled for tfjs-wasm in 1.5 s',
    'resuming after update 7',
    'epoch 1/2: test loss 2.0000, accuracy 50.00 %, of the averages 62.50 %',
    'note: the disk is slow',
    'epoch 1/2: test loss 2.0000, accuracy 50.00 %, of the averages 62.50 %, distance 0.1235',
  ])
  const end = text().length
  progress.stop()
  expect(text().length).toBe(end)
})

test.each([
  [0, 0, 1, []],
  [1, 0, 1, ['resuming after update 1']],
  [9, 1, 2, ['stage 2 of 2, from epoch 1: ']],
])(
  'from update %i, stage %i of %i: a run resumes if updates were made before its first stage',
  (at, index, count, want) => {
    const lines: string[] = []
    const io = { out: () => {}, err: (line: string) => lines.push(line) }
    const progress = makeProgress(progressOutputOf(io), { rowsPerUpdate: 32, epochs: 2 })
    progress.onEvent({ ...stage, compileMs: 0, step: at, stage: { ...stage.stage, index, count } })
    expect(lines).toEqual(want)
  },
)

test('without a terminal there are occasional lines, without control characters', () => {
  const lines: string[] = []
  const output = progressOutputOf({ out: () => {}, err: (line) => lines.push(line) })
  const progress = makeProgress(output, { rowsPerUpdate: 32, epochs: 2 })
  for (let at = 1; at <= 100; at++) progress.onEvent(step(at, { skippedSteps: 3, lossScale: 2 ** 14 }))
  progress.stop()
  expect(lines).toEqual(['epoch 1/2  update 1/100  loss 1.2500  64 images/s  scale 16384  3 skipped  0:50 left'])
})

test('a counter is drawn only on a terminal', () => {
  const { stream, text } = terminal()
  const count = makeCount({ out: () => {}, err: () => {}, terminal: stream }, 'photos')
  count.update(8, 20)
  expect(text()).toContain('8/20  photos')
  count.stop()
  const silent = makeCount({ out: () => {}, err: expect.unreachable }, 'photos')
  silent.update(8, 20)
  silent.stop()
})

test('an evaluation without an accuracy says so', () => {
  const lines: string[] = []
  const io = { out: () => {}, err: (line: string) => lines.push(line) }
  const progress = makeProgress(progressOutputOf(io), { rowsPerUpdate: 32, epochs: 2 })
  progress.onEvent({ ...evaluation, top1: Number.NaN, emaTop1: null })
  progress.onEvent({ ...evaluation, emaTop1: Number.NaN })
  expect(lines).toEqual([
    'epoch 1/2: test loss 2.0000, no accuracy',
    'epoch 1/2: test loss 2.0000, accuracy 50.00 %, of the averages none',
  ])
})

test('an interrupted counter restores the cursor and exits', () => {
  const { stream, text } = terminal()
  const before = process.listenerCount('SIGINT')
  const listeners = process.listeners('SIGINT')
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    throw new Error(`exit ${code}`)
  })
  const count = makeCount({ out: () => {}, err: () => {}, terminal: stream }, 'photos')
  count.update(8, 20)
  expect(text()).not.toContain('\u001b[?25h')
  expect(() => process.emit('SIGINT', 'SIGINT')).toThrow('exit 130')
  expect(text()).toContain('\u001b[?25h')
  // By the signal itself, which has no listener anymore.
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGINT']])
  expect(process.listenerCount('SIGINT')).toBe(0)
  exit.mockRestore()
  kill.mockRestore()
  for (const listener of listeners) process.on('SIGINT', listener)
  expect(process.listenerCount('SIGINT')).toBe(before)
})

test.each([
  [0, '0:00'],
  [59.4, '0:59'],
  [59.6, '1:00'],
  [3599.6, '1:00:00'],
  [100_000, '27:46:40'],
])('%d seconds are %s', (seconds, words) => expect(durationWords(seconds)).toBe(words))
