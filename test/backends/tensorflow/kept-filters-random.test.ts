/** Random graphs of convolutions that run many times: each run has the numbers of the present variables, whether filters are kept or not. */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { compile } from '../../../src/compile.ts'
import { read } from '../../../src/executable/results.ts'
import { nn } from '../../../src/index.ts'
import { add, elu, mul, neg, relu, relu6, silu, tanh } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { float32, type Value } from '../../../src/ir/value.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

// Small graphs are split, too.
vi.mock('../../../src/backends/tensorflow/small-work.ts', () => ({ smallBatch: 0, smallImages: 0 }))

const [size, channels] = [6, 4]
type Image = Value<'float32', 4>
type Layer = (x: Image, y: Image, name: string) => Image

const convolution =
  (options: Omit<Partial<Parameters<typeof nn.conv2d>[1]>, 'name' | 'filters'>): Layer =>
  (x, _, name) =>
    nn.conv2d(x, { name, filters: channels, kernel: 3, bias: true, ...options })
const layers: { readonly [kind: string]: Layer } = {
  conv: convolution({}),
  pointwise: convolution({ kernel: 1 }),
  dilated: convolution({ dilations: 2 }),
  padded: convolution({
    padding: [
      [2, 0],
      [0, 2],
    ],
  }),
  withoutBias: convolution({ bias: false }),
  shared: (x) => nn.conv2d(x, { name: 'shared', filters: channels, kernel: 3, bias: true, share: true }),
  depthwise: (x, _, name) => nn.depthwiseConv2d(x, { name, kernel: 3, bias: true }),
  norm: (x, _, name) => nn.batchNorm(x, { name }),
  add: (x, y) => add(x, y),
  mul: (x, y) => mul(x, tanh(y)),
  relu: (x) => relu(x),
  relu6: (x) => relu6(x),
  elu: (x) => elu(x),
  silu: (x) => silu(x),
  neg: (x) => neg(x),
}

/** A layer and how far before it its operands are. */
const layer = fc.record({
  kind: fc.constantFrom('conv', 'conv', 'shared', 'depthwise', 'add', 'add', ...Object.keys(layers)),
  x: fc.nat(2),
  y: fc.nat(3),
})
const command = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('run'), on: fc.nat(1), times: fc.integer({ min: 1, max: 4 }) }),
  },
  // The variable changes before the runs, or after the first one was called and before it has ended.
  fc.record({
    does: fc.constantFrom('set', 'set during a run'),
    on: fc.nat(1),
    times: fc.integer({ min: 1, max: 4 }),
    variable: fc.nat(30),
    factor: fc.constantFrom(-1, 0, 0.5, 1.5),
  }),
  fc.record({ does: fc.constant('load'), on: fc.nat(1), times: fc.constant(1) }),
)

tensorflowOrSkip('kept filters in random graphs', () => {
  test('every run has the numbers of the reference', async () => {
    // Batches of 2 and 4 are divided, and the rows of others.
    const backend = await createTensorflowBackend({ intraOpThreads: 2 })
    const property = fc.asyncProperty(
      fc.array(layer, { minLength: 2, maxLength: 12 }),
      // The value that is a second result.
      fc.nat(12),
      fc.integer({ min: 1, max: 4 }),
      fc.array(command, { minLength: 4, maxLength: 10 }),
      async (list, second, batch, commands) => {
        const model = graph('net', { x: float32('batch', size, size, channels) }, ({ x }) => {
          const values = [x]
          const before = (distance: number) => values[Math.max(0, values.length - 1 - distance)] as Image // there is x
          for (const [i, { kind, x: first, y: other }] of list.entries())
            values.push((layers[kind] as Layer)(before(first), before(other), `layer${i}`))
          return { y: before(0), z: neg(before(values.length - 1 - (second % values.length))) }
        })
        const feeds = { x: Float32Array.from({ length: batch * size * size * channels }, (_, i) => Math.sin(1.3 * i)) }
        /** Two executables with the same variables. */
        const opened = async (on: Backend | 'reference') => {
          const first = await compile(model, { backend: on, batch, seed: 3 })
          return [first, await compile(model, { backend: on, batch, variables: first.variables })] as const
        }
        const [got, want] = [await opened(backend), await opened('reference')]
        const { variables } = want[0]
        const names = variables.names()
        const change = async (name: string, to: (x: number, i: number) => number) => {
          const values = (await variables.get(name)).map(to)
          return (ran: (typeof got)[0]) => ran.variables.set(name, values)
        }
        for (const name of names.filter((known) => known.endsWith('bias'))) {
          const set = await change(name, (_, i) => Math.cos(i + name.length))
          await Promise.all([set(got[0]), set(want[0])])
        }
        for (const { does, on, times, ...more } of commands) {
          const name = 'variable' in more ? names[more.variable % names.length] : undefined
          const { factor = 1 } = 'factor' in more ? more : {}
          const set =
            name === undefined ? null : await change(name, (x) => (name.endsWith('variance') ? x : x * factor))
          const file = does === 'load' ? await variables.save() : null
          const done = async (pair: typeof got) => {
            const ran = pair[on] ?? pair[0]
            if (file !== null) await ran.variables.load(file)
            const early = does === 'set during a run' ? [ran.run(feeds), pair[0].run(feeds)] : []
            const isSet = set?.(ran)
            const all = [...early, ...Array.from({ length: times }, () => ran.run(feeds))]
            await isSet
            return Promise.all(all.map(async (run) => read(await run)))
          }
          const [found, right] = [await done(got), await done(want)]
          right.forEach((run, at) => {
            for (const result of ['y', 'z'] as const) {
              const largest = run[result].reduce((most, x) => Math.max(most, Math.abs(x)), 1)
              const isWrong = (x: number, i: number) =>
                !(Math.abs(x - (found[at]?.[result][i] ?? Number.NaN)) < 1e-4 * largest)
              expect(run[result].findIndex(isWrong)).toBe(-1)
            }
          })
        }
        for (const executable of [...got, ...want]) executable.dispose()
      },
    )
    const sumOfTwo = [
      { kind: 'conv', x: 0, y: 0 },
      { kind: 'conv', x: 1, y: 0 },
      { kind: 'add', x: 0, y: 1 },
    ]
    await fc.assert(property, { numRuns: 12, examples: [[sumOfTwo, 0, 2, [{ does: 'run', on: 0, times: 4 }]]] })
    backend.dispose()
  })
})
