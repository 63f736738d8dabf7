/** A run that starts from weights of another network: new variables get their initial values, and the others must match. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { apply } from '../../src/ir/apply.ts'
import { dropout, softmax } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { openModel } from '../../src/models/open-model.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { fit } from '../../src/train/fit.ts'
import { pictures, smallNet } from './small-data.ts'

const backend = 'tfjs-cpu' as const
const settings = {
  ...{ data: { train: pictures(6) }, loss: crossEntropy(), optimizer: sgd({ learningRate: 0 }), epochs: 1, batch: 3 },
  ...{ backend, seed: 5, emaDecay: 0.5 },
} as const
const source = async () => {
  using net = await compile(smallNet({ classes: 4 }), { backend, seed: 77 })
  return net.variables.save()
}

test('another head is initialized, in raw weights and averages; from a file and from variables', async () => {
  const bytes = await source()
  using four = await compile(smallNet({ classes: 4 }), { backend, variables: bytes })
  using initial = await compile(smallNet(), { backend, seed: 5 })
  for (const variables of [(await openModel(bytes)).weights, four.variables]) {
    using run = await fit(smallNet(), { ...settings, variables, fresh: 'head/dense/**' })
    for (const of of [run.variables, run.variables.averages]) {
      expect(await of.get('head/dense/kernel')).toEqual(await initial.variables.get('head/dense/kernel'))
      expect(await of.get('stem/conv/kernel')).toEqual(await four.variables.get('stem/conv/kernel'))
      expect(await of.get('blocks.1/project/conv/kernel')).toEqual(
        await four.variables.get('blocks.1/project/conv/kernel'),
      )
    }
  }
})

test("a backbone in a user's network gets its weights under its name", async () => {
  const bytes = await source()
  const { model: backbone, weights } = await openModel(bytes, { head: false, under: 'part/backbone' })
  const own = graph('own', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
    const { pooled } = apply(backbone, { image }, { name: 'part/backbone' })
    const logits = nn.dense(dropout(pooled, { rate: 0.2 }), { name: 'kind', units: 3 })
    return { logits, probabilities: softmax(logits) }
  })
  using four = await compile(smallNet({ classes: 4 }), { backend, variables: bytes })
  using initial = await compile(own, { backend, seed: 5 })
  const options = { ...settings, frozen: ['part/**'], optimizer: sgd({ learningRate: 0.1 }) }
  using run = await fit(own, { ...options, variables: weights, fresh: ['kind/**'] })
  for (const name of four.variables.names().filter((n) => !n.startsWith('head/dense/')))
    expect(await run.variables.get(`part/backbone/${name}`)).toEqual(await four.variables.get(name))
  expect(await run.variables.get('kind/kernel')).not.toEqual(await initial.variables.get('kind/kernel'))
})

test('mismatches and globs without a match give errors', async () => {
  const { weights: variables } = await openModel(await source())
  const run = (more: object) => fit(smallNet(), { ...settings, ...more })
  await expect(run({ variables })).rejects.toMatchObject({
    code: 'EF505',
    message: expect.stringContaining(
      '"head/dense/kernel" is float32[1280,4] in the file, float32[1280,3] in the model',
    ),
    hint: expect.stringContaining('fresh'),
  })
  await expect(run({ variables, fresh: 'had/**' })).rejects.toMatchObject({
    code: 'EF403',
    message: 'option "fresh": no variable fits the glob "had/**"',
  })
  await expect(run({ fresh: 'head/dense/**' })).rejects.toMatchObject({ code: 'EF403' })
  await expect(run({ variables, fresh: 3 })).rejects.toMatchObject({ code: 'EF403' })
})
