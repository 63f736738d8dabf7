/** Models inside models: the same numbers as alone, variables below the name, and errors. */
import { describe, expect, test } from 'vitest'
import { apply } from '../../src/ir/apply.ts'
import { add, dropout, relu } from '../../src/ir/functions.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float16, float32, type Image, type Value } from '../../src/ir/value.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'

const small = { resolution: 16, blocks: [{ kernel: 3, repeats: 2, filters: 16, expand: 2, strides: 2 }] } as const
const image = Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => (i * 37) % 256)
const valuesFor = (names: readonly (readonly [string, readonly number[]])[], prefix: string) =>
  new Map(
    names.map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1)
      // Depends on the name of the part, so that it has the same values in every model.
      const start = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0)
      return [
        `${prefix}${name}`,
        Float32Array.from({ length: size }, (_, i) => 0.1 + 0.05 * Math.sin(start + i)),
      ] as const
    }),
  )
const named = (model: { at(sizes: { readonly batch: number }): Parameters<typeof variablesOf>[0] }) =>
  variablesOf(model.at({ batch: 1 })).map(({ attrs, types: [type] }) => [attrs.name, type?.shape ?? []] as const)

test("a backbone in a user's network gives the same results as alone, including taps", () => {
  const alone = efficientNet('b0', { ...small, head: false, taps: ['stem', 'blocks.1'] })
  const whole = graph('whole', { picture: float32('batch', 16, 16, 3) }, ({ picture }) => {
    const { features, pooled, stem, 'blocks.1': inner } = apply(alone, { image: picture }, { name: 'part/backbone' })
    const kept: Value<'float32', 4> = features
    const flat: Value<'float32', 2> = pooled
    const tapped: Image = stem
    return {
      features: kept,
      pooled: flat,
      stem: tapped,
      inner,
      logits: nn.dense(dropout(flat, { rate: 0.5 }), { name: 'kind', units: 3 }),
    }
  })
  const names = named(alone)
  expect(
    named(whole)
      .map(([name]) => name)
      .sort(),
  ).toEqual([...names.map(([name]) => `part/backbone/${name}`), 'kind/bias', 'kind/kernel'].sort())
  const one = interpret(alone.at({ batch: 2 }), { inputs: { image }, variables: valuesFor(names, ''), mode: 'float64' })
  const variables = new Map([
    ...valuesFor(names, 'part/backbone/'),
    ['kind/kernel', new Float32Array(1280 * 3)],
    ['kind/bias', new Float32Array(3)],
  ])
  const two = interpret(whole.at({ batch: 2 }), { inputs: { picture: image }, variables, mode: 'float64' })
  expect(Object.entries(alone.outputs).map(([name, { shape }]) => [name, shape])).toEqual([
    ['features', [2, 4, 4, 1280]],
    ['pooled', [2, 1280]],
    ['stem', [2, 8, 8, 32]],
    ['blocks.1', [2, 4, 4, 16]],
  ])
  for (const [of, name] of [
    ['features', 'features'],
    ['pooled', 'pooled'],
    ['stem', 'stem'],
    ['blocks.1', 'inner'],
  ] as const)
    expect(two.outputs[name]?.data).toEqual(one.outputs[of]?.data)
})

test('a network with its head also gives taps, and no other part changes', () => {
  const plain = efficientNet('b0', { ...small, classes: 3 })
  const tapped = efficientNet('b0', { ...small, classes: 3, taps: ['blocks.0'] })
  const values = valuesFor(named(plain), '')
  const run = (model: typeof plain) =>
    interpret(model.at({ batch: 2 }), { inputs: { image }, variables: values, mode: 'float64' }).outputs
  expect(run(tapped)['logits']?.data).toEqual(run(plain)['logits']?.data)
  expect(run(tapped)['blocks.0']?.shape).toEqual([2, 4, 4, 16])
})

const twice = graph('twice', { x: float32('batch', 2), y: float32('batch', 2) }, ({ x, y }) => ({
  sum: add(nn.dense(x, { name: 'dense', units: 2 }), y),
}))

test('a part that is applied twice with share: true has one set of variables', () => {
  const model = graph('siamese', { x: float32('batch', 2) }, ({ x }) => {
    const one = apply(twice, { x, y: x }, { name: 'part' }).sum
    return { z: apply(twice, { x: relu(one), y: one }, { name: 'part', share: true }).sum }
  })
  expect(named(model).map(([name]) => name)).toEqual(['part/dense/kernel', 'part/dense/bias'])
})

describe('is rejected:', () => {
  const inside =
    (body: (x: Value<'float32', 2>) => Value): (() => unknown) =>
    () =>
      graph('outer', { x: float32('batch', 2) }, ({ x }) => ({ z: body(x) }))
  const any = (options: unknown): never => options as never
  const step = trainingStep(efficientNet('b0', { ...small, classes: 3 }), {
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 1 }),
  })
  test.each<[string, string, RegExp, () => unknown]>([
    [
      'a name twice',
      'EF107',
      /the name "part" is taken by apply\(twice\) at .*apply\.test\.ts/,
      inside((x) =>
        add(apply(twice, { x, y: x }, { name: 'part' }).sum, apply(twice, { x, y: x }, { name: 'part' }).sum),
      ),
    ],
    ['no name', 'EF403', /apply\(\) needs the option "name"/, inside((x) => apply(twice, { x, y: x }, any({})).sum)],
    [
      'an input less',
      'EF401',
      /part: the input "y" is missing; the model has x, y/,
      inside((x) => apply(twice, any({ x }), { name: 'part' }).sum),
    ],
    [
      'an input more',
      'EF401',
      /part: there is no input "z"/,
      inside((x) => apply(twice, any({ x, y: x, z: x }), { name: 'part' }).sum),
    ],
    [
      'another shape',
      'EF402',
      /the input "image" is float32\[batch,16,16,3\], got float32\[2,8,8,3\]/,
      () =>
        graph('outer', { x: float32('batch', 8, 8, 3) }, ({ x }) =>
          apply(efficientNet('b0', small), { image: x }, { name: 'part' }),
        ),
    ],
    [
      'another dtype',
      'EF402',
      /got float16\[2,2\]/,
      () => graph('outer', { x: float16('batch', 2) }, ({ x }) => apply(twice, any({ x, y: x }), { name: 'part' })),
    ],
    [
      'two batches',
      'EF402',
      /'batch' is 2|the input "y" is float32\[batch,2\], got float32\[3,2\]/,
      () =>
        graph('outer', { x: float32('batch', 2), y: float32(3, 2) }, ({ x, y }) =>
          apply(twice, { x, y }, { name: 'part' }),
        ),
    ],
    [
      'a number',
      'EF402',
      /takes the inputs of twice as values/,
      inside(() => apply(twice, any({ x: 1, y: 2 }), { name: 'part' }).sum),
    ],
    [
      'a training step',
      'EF403',
      /takes a model of graph\(\) or efficientNet\(\)/,
      inside((x) => apply(any(step), any({ x }), { name: 'part' }) as never),
    ],
    [
      'no model',
      'EF403',
      /apply\(\) takes a model/,
      inside((x) => apply(any(3), any({ x }), { name: 'part' }) as never),
    ],
    [
      'an unknown tap',
      'EF403',
      /there is no inner value "blocks\.7"; there are stem and blocks\.0 to blocks\.1/,
      () => efficientNet('b0', { ...small, taps: ['blocks.7'] }),
    ],
    [
      'classes without a head',
      'EF403',
      /option "classes" belongs to the last layer/,
      () => efficientNet('b0', any({ ...small, head: false, classes: 3 })),
    ],
  ])('%s', (_name, code, message, run) => {
    expect(run).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })
})
