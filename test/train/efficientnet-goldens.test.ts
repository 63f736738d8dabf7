/**
 * EfficientNet-B0 in training compared with PyTorch in float64 (scripts/goldens/make_training.py): loss, every gradient, moving statistics, and three
 * steps of the whole recipe. In float64 on the reference; in float32 on other backends.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { interpret, type Numbers } from '../../src/ir/interpret.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { gradientPrefix } from '../../src/passes/autodiff/differentiate.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { type Optimizer, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import type { Schedule } from '../../src/passes/train/schedules.ts'
import { type StepOptions, trainingStep } from '../../src/passes/train/step.ts'
import { float64Trainer } from '../support/float64-trainer.ts'
import { goldenImage, goldenUniform, goldenVariable } from '../support/golden-weights.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

interface Common {
  readonly classes: number
  readonly size: number
  readonly batch: number
  readonly epsilon: number
  readonly momentum: number
  readonly labelSmoothing: number
}
/** A name, then the norm and the product with the probe, for each tensor. */
type Row = readonly [name: string, ...measures: number[]]
/** The maximum error of PyTorch's own float32: absolute for the loss, otherwise relative to each tensor's norm. */
type Float32Error<Part extends string> = { readonly [P in Part]: number }
interface Gradients extends Common {
  readonly labels: readonly number[]
  readonly loss: number
  readonly correct: number
  readonly gradients: readonly Row[]
  readonly moving: readonly Row[]
  readonly float32Error: Float32Error<'loss' | 'gradients' | 'moving'>
}
interface Steps extends Common {
  readonly labels: readonly (readonly number[])[]
  readonly optimizer: Extract<Optimizer, { kind: 'rmsprop' }>
  readonly schedule: Schedule
  readonly weightDecay: number
  readonly clipNorm: number
  readonly emaDecay: number
  readonly history: readonly {
    readonly loss: number
    readonly dataLoss: number
    readonly correct: number
    readonly norm: number
    readonly learningRate: number
  }[]
  /** Values, then averages. */
  readonly variables: readonly Row[]
  /** Mean squares, then momenta. */
  readonly slots: readonly Row[]
  readonly float32Error: Float32Error<'loss' | 'variables' | 'averages' | 'meanSquare' | 'momentum'>
}
const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../goldens/training/${name}.json`, import.meta.url), 'utf8'))
const one = golden<Gradients>('b0-gradients')
const three = golden<Steps>('b0-steps')
const slotNames = ['meanSquare', 'momentum'] as const

const model = efficientNet('b0', {
  classes: one.classes,
  resolution: one.size,
  dropout: 0,
  stochasticDepth: 0,
  batchNorm: { epsilon: one.epsilon, momentum: one.momentum },
})
const loss = crossEntropy({ labelSmoothing: one.labelSmoothing })
const stepWith = (options: Omit<StepOptions, 'optimizer'>) => {
  const { kind: _, ...optimizer } = three.optimizer
  return trainingStep(model, { loss, optimizer: rmsprop({ ...optimizer, learningRate: three.schedule }), ...options })
}
const recipe = stepWith({ weightDecay: three.weightDecay, clipNorm: three.clipNorm, emaDecay: three.emaDecay })

/** Each step has its own four pictures. */
const imageOf = (step: number): Float32Array<ArrayBuffer> => {
  const all = goldenImage([one.batch * (step + 1), one.size, one.size, 3])
  return all.slice(one.batch * step * one.size * one.size * 3)
}
const shapes = new Map(
  variablesOf(model.at({ batch: 1 })).map(({ attrs, types }) => [attrs.name, types[0]?.shape ?? []]),
)
/** Golden weights and statistics; averages equal their variables. Null for other variables of the step, which have their initial values. */
const start = (name: string): Float32Array<ArrayBuffer> | null => {
  const own = name.replace(/^ema\//, '')
  const shape = shapes.get(own)
  return shape === undefined ? null : goldenVariable(own, shape)
}

const probes = new Map<string, Float64Array>()
const measured = (name: string, data: Numbers): readonly [norm: number, product: number] => {
  const probe = probes.get(name) ?? goldenUniform(`probe/${name}`, data.length)
  probes.set(name, probe)
  let [squares, product] = [0, 0]
  for (let i = 0; i < data.length; i++) {
    const x = data[i] ?? Number.NaN
    squares += x * x
    product += x * (2 * (probe[i] ?? Number.NaN) - 1)
  }
  return [Math.sqrt(squares), product]
}

/** The true gradient is 0: the next norm removes a constant that a norm adds to a channel. PyTorch's float64 has an error of 1e-16 there. */
const isZero = ([, ...measures]: Row, part: number): boolean => (measures[2 * part] ?? Number.NaN) < 1e-12

/** Fails with the first tensor whose error is too large, relative to its norm. Zeros are compared absolutely. */
const expectNear = (
  rows: readonly Row[],
  part: number,
  valueAt: (name: string) => Numbers | undefined,
  { relative, zeros }: { readonly relative: number; readonly zeros: number },
): void => {
  for (const row of rows) {
    const [name, ...measures] = row
    const [norm = Number.NaN, product = Number.NaN] = measures.slice(2 * part)
    const value = valueAt(name)
    if (value === undefined) expect.fail(`there is no ${name}`)
    const [gotNorm, gotProduct] = measured(name, value)
    const off = Math.max(Math.abs(gotNorm - norm), Math.abs(gotProduct - product))
    const tolerance = isZero(row, part) ? zeros : relative * norm
    if (!(off <= tolerance)) expect.fail(`${name}: off by ${off}, ${tolerance} is allowed; its norm is ${norm}`)
  }
}

test('gradients are 0 exactly for offsets that the next norm removes', () => {
  const zeros = one.gradients.filter((row) => isZero(row, 0)).map(([name]) => name)
  expect(zeros.length).toBeGreaterThan(0)
  expect(zeros.filter((name) => !/^blocks\.\d+\/project\/bn\/offset$/.test(name))).toEqual([])
})

describe('float64, on the reference', () => {
  test('loss, gradients of all 213 trainable tensors and moving statistics equal those of PyTorch', () => {
    const { program } = runPipeline(
      parsePipeline('to-training,differentiate'),
      programOf(stepWith({}).at({ batch: one.batch })),
    )
    const trained = graphOf(program)
    const variables = new Map(
      variablesOf(trained).map(({ attrs, types }) => [attrs.name, goldenVariable(attrs.name, types[0]?.shape ?? [])]),
    )
    const inputs = { image: imageOf(0), label: one.labels }
    const { outputs, updates } = interpret(trained, { inputs, variables, mode: 'float64' })
    expect(Math.abs((outputs['loss']?.data[0] ?? Number.NaN) - one.loss)).toBeLessThan(1e-10)
    expect(outputs['correct']?.data[0]).toBe(one.correct)
    expect(one.gradients.length).toBe(213)
    expect(Object.keys(outputs).filter((name) => name.startsWith(gradientPrefix)).length).toBe(213)
    const gradientAt = (name: string) => outputs[`${gradientPrefix}${name}`]?.data
    expectNear(one.gradients, 0, gradientAt, { relative: 1e-9, zeros: 1e-12 })
    expect(one.moving.length).toBe(98)
    expectNear(one.moving, 0, (name) => updates.get(name)?.data, { relative: 1e-11, zeros: 0 })
  }, 300_000)

  test('three steps: RMSprop, warm-up and cosine, weight decay, clipping, averages', () => {
    const trainer = float64Trainer(recipe, three.batch) // any signature
    for (const name of trainer.variables.keys()) {
      const value = start(name)
      if (value !== null) trainer.variables.set(name, Float64Array.from(value))
    }
    expect(three.history.some(({ norm }) => norm > three.clipNorm)).toBe(true)
    expect(three.history.some(({ norm }) => norm < three.clipNorm)).toBe(true)
    for (const [n, want] of three.history.entries()) {
      const got = trainer.run({ image: imageOf(n), label: three.labels[n] ?? [] })
      expect(got['correct']?.[0]).toBe(want.correct)
      for (const name of ['loss', 'dataLoss', 'learningRate'] as const)
        expect(Math.abs((got[name]?.[0] ?? Number.NaN) - want[name])).toBeLessThan(1e-9)
    }
    const close = { relative: 1e-9, zeros: 1e-12 }
    expectNear(three.variables, 0, (name) => trainer.variables.get(name), close)
    expectNear(three.variables, 1, (name) => trainer.variables.get(`ema/${name}`), close)
    expect(three.slots.length).toBe(213)
    for (const [part, slot] of slotNames.entries())
      expectNear(three.slots, part, (name) => trainer.variables.get(`optimizer/${name}/${slot}`), close)
  }, 300_000)
})

/** Another order of sums has other rounding errors: `float32Error` is the error of PyTorch's own float32, and effuse may have four times that. */
describe.each([
  ['wasm', true] as const,
  ['wasm', false] as const,
  ['tfjs-wasm', true] as const,
  ['tfjs-wasm', false] as const,
  ...withAdapter.map((name) => [name, true] as const),
  ...withTensorflow.map((name) => [name, true] as const),
])('float32, on %s, xla %s', (backend, xla) => {
  const compiled = async (step: typeof recipe) => {
    const net = await compile(step, { backend, batch: one.batch, xla })
    for (const name of net.variables.names()) {
      const value = start(name)
      if (value !== null) await net.variables.set(name, value)
    }
    return net
  }
  const fetched = async (net: Awaited<ReturnType<typeof compiled>>, names: readonly string[]) =>
    new Map(await Promise.all(names.map(async (name) => [name, await net.variables.get(name)] as const)))
  const allowed = (error: number) => ({ relative: 4 * error, zeros: 1e-6 })

  test('loss, gradients, moving statistics', async () => {
    // With a rate of 1 and no momentum, the velocity is the negative gradient.
    using net = await compiled(trainingStep(model, { loss, optimizer: sgd({ learningRate: 1 }) }))
    const results = await net.run({ image: imageOf(0), label: [...one.labels] })
    const velocities = await fetched(net, net.variables.names('optimizer/**'))
    const moving = await fetched(net, net.variables.names('**/bn/*'))
    expect(Math.abs((await results.loss.item()) - one.loss)).toBeLessThan(8 * 2 ** -24 * one.loss)
    const gradientAt = (name: string) => velocities.get(`optimizer/${name}/momentum`)?.map((v) => -v)
    expectNear(one.gradients, 0, gradientAt, allowed(one.float32Error.gradients))
    expectNear(one.moving, 0, (name) => moving.get(name), allowed(one.float32Error.moving))
  })
  test('three steps', async () => {
    using net = await compiled(recipe)
    for (const [n, want] of three.history.entries()) {
      const results = await net.run({ image: imageOf(n), label: [...(three.labels[n] ?? [])] })
      expect(await results.correct.item()).toBe(want.correct)
      for (const name of ['loss', 'dataLoss', 'learningRate'] as const)
        expect(Math.abs((await results[name].item()) - want[name])).toBeLessThan(4 * three.float32Error.loss)
    }
    const values = await fetched(net, net.variables.names('!step'))
    const { variables, averages, ...slots } = three.float32Error
    expectNear(three.variables, 0, (name) => values.get(name), allowed(variables))
    expectNear(three.variables, 1, (name) => values.get(`ema/${name}`), allowed(averages))
    for (const [part, slot] of slotNames.entries())
      expectNear(three.slots, part, (name) => values.get(`optimizer/${name}/${slot}`), allowed(slots[slot]))
  })
})
