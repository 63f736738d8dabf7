/** The loop: what it tells, what it keeps, where it goes on. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { fit } from '../../src/train/fit.ts'
import type { TrainingEvent } from '../../src/train/events.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam } from '../../src/passes/train/optimizers.ts'
import { cosine } from '../../src/passes/train/schedules.ts'
import { pictures, smallNet } from './small-data.ts'

const backend = 'tfjs-wasm'
const data = { train: pictures(60, { canSkip: true, isShuffled: true }), test: pictures(21) }

describe('a run', () => {
  test('learns, and tells each step, evaluation and checkpoint in order', async () => {
    const events: TrainingEvent[] = []
    const checkpoints = memoryStore()
    using run = await fit(smallNet(), {
      data,
      loss: crossEntropy({ labelSmoothing: 0.1 }),
      optimizer: ({ steps }) => adam({ learningRate: cosine({ initial: 0.02, steps }) }),
      emaDecay: 0.9,
      epochs: 4,
      batch: 10,
      checkpoints,
      backend,
      onEvent: (event) => events.push(event),
    })
    expect(run).toMatchObject({ reason: 'finished', epochs: 4, steps: 24, skippedSteps: 0 })
    expect(run.emaTop1).toBeGreaterThan(0.9)
    expect(events.map((event) => event.kind)).toEqual([
      'stage',
      ...Array.from({ length: 4 }, () => [...Array<string>(6).fill('step'), 'evaluation', 'checkpoint']).flat(),
    ])
    expect((await checkpoints.list()).toSorted()).toEqual([
      'best.safetensors',
      'step-00000012.safetensors',
      'step-00000018.safetensors',
      'step-00000024.safetensors',
    ])
    expect(await run.variables.get('step', 'int32')).toEqual(Int32Array.of(24))
  }, 60_000)
})
