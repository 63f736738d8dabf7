/**
 * Every optimizer on a tiny network compared with plain arithmetic that agrees with PyTorch and Keras (scripts/goldens/make_optimizers.py), including
 * weight decay, clipping, averages and frozen variables. In float64 on the reference; in float32 on every backend.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { mean, mul, sub, tanh } from '../../src/ir/functions.ts'
import type { Numbers } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { adam, adamw, type Optimizer, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import type { Schedule } from '../../src/passes/train/schedules.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { float64Trainer } from '../support/float64-trainer.ts'
import { goldenUniform, goldenVariable } from '../support/golden-weights.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

type Tensors = { readonly [name: string]: readonly number[] }
type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never
interface Case {
  readonly name: string
  readonly optimizer: Without<Optimizer, 'learningRate'>
  readonly schedule: Schedule
  readonly weightDecay?: number
  readonly clipNorm?: number
  readonly emaDecay?: number
  readonly frozen?: readonly string[]
  readonly history: readonly {
    readonly loss: number
    readonly dataLoss: number
    readonly norm: number
    readonly learningRate: number
  }[]
  readonly variables: Tensors
  /** `<variable>/<slot>`. */
  readonly slots: Tensors
  readonly averages?: Tensors
}
const { batch, shapes, cases }: { readonly batch: number; readonly shapes: Tensors; readonly cases: readonly Case[] } =
  JSON.parse(readFileSync(new URL('../goldens/training/optimizers.json', import.meta.url), 'utf8'))

const network = graph('tiny', { x: float32('batch', 3) }, ({ x }) => {
  const hidden = tanh(nn.dense(x, { name: 'hidden', units: 4 }))
  return { y: nn.dense(hidden, { name: 'out', units: 2 }) }
})
/** By the public functions. The golden's options are the plain data that they return. */
const optimizerOf = ({ optimizer, schedule: learningRate }: Case): Optimizer => {
  switch (optimizer.kind) {
    case 'rmsprop': {
      const { kind: _, ...rest } = optimizer
      return rmsprop({ ...rest, learningRate })
    }
    case 'sgd': {
      const { kind: _, ...rest } = optimizer
      return sgd({ ...rest, learningRate })
    }
    case 'adam': {
      const { kind: _, weightDecay, ...rest } = optimizer
      return weightDecay === 0 ? adam({ ...rest, learningRate }) : adamw({ ...rest, weightDecay, learningRate })
    }
  }
}
const stepOf = (c: Case) => {
  const { weightDecay, clipNorm, emaDecay, frozen } = c
  return trainingStep(network, {
    loss: loss({ wanted: float32('batch', 2) }, ({ y }, { wanted }) => {
      const off = sub(y, wanted)
      return mean(mul(off, off))
    }),
    optimizer: optimizerOf(c),
    weightDecay,
    clipNorm,
    emaDecay,
    frozen,
  })
}
const fed = (step: number) => {
  const numbers = (name: string, width: number): Float64Array =>
    goldenUniform(`${name}/${step}`, batch * width).map((u) => 2 * u - 1)
  return { x: numbers('x', 3), wanted: numbers('wanted', 2) }
}
const start = (name: string): Float32Array<ArrayBuffer> | null => {
  const shape = shapes[name]
  return shape === undefined ? null : goldenVariable(name, shape)
}
/** The final variables of a case, under their names in the step. */
const wantedState = ({ variables, slots, averages = {} }: Case): ReadonlyMap<string, readonly number[]> =>
  new Map([
    ...Object.entries(variables),
    ...Object.entries(slots).map(([name, values]) => [`optimizer/${name}`, values] as const),
    ...Object.entries(averages).map(([name, values]) => [`ema/${name}`, values] as const),
  ])
const expectState = (
  names: readonly string[],
  c: Case,
  valueAt: (name: string) => Numbers | undefined,
  tolerance: number,
): void => {
  const wanted = wantedState(c)
  expect([...names].sort()).toEqual([...wanted.keys(), 'step'].sort())
  for (const [name, values] of wanted) {
    const got = valueAt(name) ?? []
    values.forEach((want, i) => {
      if (!(Math.abs((got[i] ?? Number.NaN) - want) <= tolerance * Math.max(1, Math.abs(want))))
        expect.fail(`${name}[${i}] is ${got[i]}, expected ${want}`)
    })
  }
}

test('the cases reach the intended branches', () => {
  const kinds = new Set(cases.map(({ optimizer }) => optimizer.kind))
  expect([...kinds].sort()).toEqual(['adam', 'rmsprop', 'sgd'])
  const clipping = cases.filter(({ clipNorm }) => clipNorm !== undefined)
  expect(clipping.length).toBeGreaterThan(0)
  for (const { clipNorm = 0, history } of clipping) {
    expect(history.some(({ norm }) => norm > clipNorm)).toBe(true)
    expect(history.some(({ norm }) => norm < clipNorm)).toBe(true)
  }
})

describe('float64, on the reference', () => {
  test.each(cases)('$name', (c) => {
    const trainer = float64Trainer(stepOf(c), batch) // any signature
    for (const name of trainer.variables.keys()) {
      const value = start(name.replace(/^ema\//, ''))
      if (value !== null) trainer.variables.set(name, Float64Array.from(value))
    }
    for (const [n, want] of c.history.entries()) {
      const got = trainer.run(fed(n))
      for (const name of ['loss', 'dataLoss', 'learningRate'] as const)
        expect(Math.abs((got[name]?.[0] ?? Number.NaN) - want[name])).toBeLessThan(1e-13)
    }
    expectState([...trainer.variables.keys()], c, (name) => trainer.variables.get(name), 1e-13)
    expect(trainer.variables.get('step')?.[0]).toBe(c.history.length)
  })
})

describe.each(['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withAdapter, ...withTensorflow] as const)(
  'float32, on %s',
  (backend) => {
    test.each(cases)('$name', async (c) => {
      using net = await compile(stepOf(c), { backend, batch })
      for (const name of net.variables.names()) {
        const value = start(name.replace(/^ema\//, ''))
        if (value !== null) await net.variables.set(name, value)
      }
      for (const [n, want] of c.history.entries()) {
        const { x, wanted } = fed(n)
        const rows = (data: Float64Array, width: number) =>
          Array.from({ length: batch }, (_, r) => [...data.subarray(r * width, (r + 1) * width)])
        const results = await net.run({ x: rows(x, 3), wanted: rows(wanted, 2) })
        for (const name of ['loss', 'dataLoss', 'learningRate'] as const)
          expect(Math.abs((await results[name].item()) - want[name])).toBeLessThan(1e-6)
      }
      const values = new Map<string, Numbers>()
      for (const name of net.variables.names('!step')) values.set(name, await net.variables.get(name))
      expectState(net.variables.names(), c, (name) => values.get(name), 2e-6)
    })
  },
)
