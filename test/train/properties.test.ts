/**
 * Guarantees of a training step for any network: a power of two as loss scale changes no bit in float32, a step that is not finite changes nothing,
 * and frozen variables do not change. On small random networks and every backend. All comparisons are of bits.
 */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { compile } from '../../src/compile.ts'
import type { Executable } from '../../src/executable/executable.ts'
import { globFilter } from '../../src/ir/glob.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { initialValues } from '../../src/ir/initializers.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { adam, adamw, type Optimizer, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import type { StepOptions } from '../../src/passes/train/step.ts'
import { goldenUniform } from '../support/golden-weights.ts'
import { type Layer, layerLists, networkOfLayers, stepOfLayers } from '../../src/testing/index.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const batch = 3
const optionsOf = (options: Partial<StepOptions>): StepOptions => ({ optimizer: sgd({ learningRate: 1 }), ...options })
const stepOf = (layers: readonly Layer[], options: Partial<StepOptions> = {}) =>
  stepOfLayers(layers, optionsOf(options))
type Trainer = Executable<ReturnType<typeof stepOf>['inputs'], ReturnType<typeof stepOf>['outputs']>

const fed = (seed: number) => ({
  image: Float32Array.from(goldenUniform(`image/${seed}`, batch * 6 * 6 * 2), (u) => 4 * u - 2),
  label: Int32Array.from({ length: batch }, (_, i) => (seed + i) % 3),
})

/** The bits of variables, by name. */
const bitsOf = async (
  { variables }: Trainer,
  glob: string | readonly string[] = '**',
): Promise<ReadonlyMap<string, readonly number[]>> => {
  const bits = new Map<string, readonly number[]>()
  for (const name of variables.names(glob)) {
    const values = await variables.get(name, variables.describe(name).dtype)
    bits.set(name, [...new Uint32Array(values.buffer, values.byteOffset, values.length)]) // float32 and int32 only
  }
  return bits
}
const changed = (before: ReadonlyMap<string, readonly number[]>, after: typeof before): readonly string[] =>
  [...before].flatMap(([name, bits]) => (after.get(name)?.join() === bits.join() ? [] : [name]))

const names = ['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const
const backends = new Map<(typeof names)[number], Backend>()
beforeAll(async () => {
  backends.set('reference', referenceBackend())
  backends.set('wasm', await createWasmBackend())
  backends.set('tfjs-wasm', await createTfjsBackend({ backend: 'wasm' }))
  backends.set('tfjs-cpu', await createTfjsBackend({ backend: 'cpu' }))
  for (const name of withTensorflow) backends.set(name, await createTensorflowBackend())
})
const backendOf = (name: (typeof names)[number]): Backend => backends.get(name) as Backend // all were added above

describe.each(names)('%s: a power of two as loss scale', (name) => {
  /** Does a value of the step, computed by the backend's decompositions, leave the normal numbers of float32 or come close to their limits? */
  const leavesFloat32 = (layers: readonly Layer[], seed: number, lossScale: StepOptions['lossScale']): boolean => {
    const backend = backendOf(name)
    const options = optionsOf({ lossScale })
    const parts = { legalize: backend.legalize, fuse: [] }
    const pipeline = trainingPipeline(parts, { simplify: true, fusion: false }, options)
    const graph = graphOf(runPipeline(pipeline, programOf(stepOf(layers, options).at({ batch }))).program) // the input program
    const variables = new Map(
      variablesOf(graph).map(({ attrs: { name: variable, init }, types }) => [
        variable,
        initialValues(init, types[0]?.shape ?? [], { seed, name: variable }),
      ]),
    )
    let found = false
    interpret(graph, {
      inputs: fed(seed),
      variables,
      seed,
      onNode: (_, results) => {
        for (const { data, dtype } of results)
          found ||=
            dtype === 'float32' && data.some((x) => x !== 0 && !(Math.abs(x) > 2 ** -120 && Math.abs(x) < 2 ** 120))
      },
    })
    return found
  }
  test('scaled and unscaled gradients have the same bits, unless something over- or underflows', async () => {
    let [equal, left] = [0, 0]
    await fc.assert(
      fc.asyncProperty(layerLists, fc.integer({ min: -60, max: 60 }), fc.nat(1000), async (layers, power, seed) => {
        const lossScale = 2 ** power
        if (leavesFloat32(layers, seed, 'none') || leavesFloat32(layers, seed, lossScale)) {
          left++
          return
        }
        const gradients = async (scale: StepOptions['lossScale']) => {
          using net = await compile(stepOf(layers, { lossScale: scale }), { backend: backendOf(name), batch, seed })
          const results = await net.run(fed(seed))
          expect(await results.finite.item()).toBe(true)
          return await bitsOf(net) // with a rate of 1 the velocities are the gradients
        }
        expect(changed(await gradients('none'), await gradients(lossScale))).toEqual([])
        equal++
      }),
      { numRuns: name === 'reference' ? 40 : 20 },
    )
    expect(equal).toBeGreaterThan(left)
  }, 300_000)
})

const optimizers: readonly (readonly [string, Optimizer])[] = [
  ['sgd', sgd({ learningRate: 0.05 })],
  ['sgd with Nesterov', sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })],
  ['rmsprop', rmsprop({ learningRate: 0.01 })],
  ['adam', adam({ learningRate: 0.01 })],
  ['adamw', adamw({ learningRate: 0.01 })],
]
describe.each(names)('%s: a step that is not finite', (name) => {
  test.each(optimizers)('%s: changes no bit of any variable but a dynamic scale', async (_what, optimizer) => {
    await fc.assert(
      fc.asyncProperty(
        layerLists,
        fc.constantFrom<StepOptions['lossScale']>('none', 'dynamic', 64),
        fc.nat(batch * 6 * 6 * 2 - 1),
        fc.constantFrom(Number.NaN, Infinity, -Infinity, 3e38),
        fc.nat(100),
        async (layers, lossScale, at, bad, seed) => {
          const options = { optimizer, lossScale, weightDecay: 0.01, clipNorm: 1, emaDecay: 0.9 }
          using net = await compile(stepOf(layers, options), { backend: backendOf(name), batch, seed })
          await net.run(fed(seed))
          const before = await bitsOf(net, '!lossScale/*')
          const { image, label } = fed(seed + 1)
          const results = await net.run({ image: image.with(at, bad), label })
          // A large number may pass, and relu or dropout may remove a NaN: the step's own result `finite` decides.
          const isGood = await results.finite.item()
          expect(await results.updated.item()).toBe(isGood)
          if (isGood) {
            expect(changed(before, await bitsOf(net)).includes('step')).toBe(true)
            for (const variable of net.variables.names('!step'))
              expect(
                (await net.variables.get(variable, net.variables.describe(variable).dtype)).every(Number.isFinite),
              ).toBe(true)
            return
          }
          expect(changed(before, await bitsOf(net))).toEqual([])
          if (lossScale === 'dynamic') {
            expect(await net.variables.get('lossScale/scale')).toEqual(Float32Array.of(2 ** 14))
            expect(await net.variables.get('lossScale/goodSteps', 'int32')).toEqual(Int32Array.of(0))
          }
          // The next step continues normally.
          expect(await (await net.run(fed(seed + 2))).updated.item()).toBe(true)
          expect(changed(before, await bitsOf(net)).includes('dense/kernel')).toBe(true)
        },
      ),
      { numRuns: 6 },
    )
  })
})

test.each(names)(
  '%s: a batch with an overflowing variance counts as not finite, even if loss and gradients are finite: statistics do not change',
  async (name) => {
    // Found by the property above: 1 / infinity multiplies the batch by 0, and all later values are finite.
    const layers: readonly Layer[] = [[2, 0]]
    using net = await compile(stepOf(layers), { backend: backendOf(name), batch })
    const before = await bitsOf(net)
    const { image, label } = fed(0)
    const results = await net.run({ image: image.with(0, 3e38), label })
    expect(Number.isFinite(await results.loss.item())).toBe(true)
    expect(await results.finite.item()).toBe(false)
    expect(changed(before, await bitsOf(net))).toEqual([])
  },
)

describe.each(names)('%s: frozen variables', (name) => {
  test('of any glob do not change, including statistics with a frozen scale; all others do', async () => {
    const globs = fc.subarray(['stem/*', 'layer*/kernel', '**/scale', 'layer0/**', '**/bias', 'dense/**', '!**/offset'])
    await fc.assert(
      fc.asyncProperty(
        layerLists,
        globs,
        fc.constantFrom(...optimizers),
        fc.nat(100),
        async (layers, drawn, [, optimizer], seed) => {
          // A glob without a match is a separate error.
          const every = variablesOf(networkOfLayers(layers).at({ batch })).map(({ attrs }) => attrs.name)
          const frozen = drawn.filter((glob) => every.some(globFilter(glob.replace('!', ''))))
          const options = { optimizer, frozen, weightDecay: 0.01, emaDecay: 0.5 }
          const isFrozen = globFilter(frozen)
          using net = await compile(stepOf(layers, options), { backend: backendOf(name), batch, seed })
          const own = net.variables.names(['**', '!ema/**', '!optimizer/**', '!step'])
          const before = await bitsOf(net)
          for (let n = 0; n < 2; n++) await net.run(fed(seed + n))
          const moved = new Set(changed(before, await bitsOf(net)))
          for (const variable of own) {
            const isStatistic = !net.variables.describe(variable).trainable
            const stays = isFrozen(isStatistic ? variable.replace(/[^/]*$/, 'scale') : variable)
            // A variable without dependents may also stay: the offset of a norm before a norm, or a relu that is 0.
            if (stays || isStatistic) expect([variable, moved.has(variable)]).toEqual([variable, !stays])
            if (stays) expect(moved.has(`ema/${variable}`)).toBe(false)
            const slots = net.variables.names(`optimizer/${variable}/*`)
            expect(slots.length > 0).toBe(!isStatistic && !isFrozen(variable))
          }
          if (!isFrozen('dense/kernel')) expect(moved.has('dense/kernel')).toBe(true)
        },
      ),
      { numRuns: 20 },
    )
  }, 300_000)
})
