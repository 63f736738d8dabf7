/** A checkpoint of a training run opens as a model: without optimizer state, and with averages if they are better. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import type { Model } from '../../src/ir/model.ts'
import { openModel } from '../../src/models/open-model.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { rmsprop } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { evaluate } from '../../src/train/evaluate.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { fit } from '../../src/train/fit.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { classes, picture, pictures, smallNet } from '../train/small-data.ts'

const backend = 'tfjs-cpu'
const trained = async (emaDecay: number | undefined) => {
  const checkpoints = memoryStore()
  const test = pictures(12)
  const data = { train: pictures(30), test }
  const optimizer = rmsprop({ learningRate: 0.01 })
  const options = {
    data,
    loss: crossEntropy(),
    optimizer,
    emaDecay,
    epochs: 2,
    batch: 10,
    checkpoints,
    backend,
  } as const
  const run = await fit(smallNet(), options)
  const bytes = await checkpoints.read('step-00000006.safetensors')
  return { run, bytes, test }
}

test('raw or averaged weights, the labels, and the predictions of the run', async () => {
  const { run, bytes, test: held } = await trained(0.5)
  const image = picture(1)
  for (const weights of ['raw', 'averages'] as const) {
    const averages = weights === 'averages'
    const opened = await openModel(bytes, { weights })
    expect([opened.taken, opened.available, opened.notes]).toEqual([weights, ['raw', 'averages'], []])
    expect(opened.labels).toEqual(classes)
    expect(opened.resolution).toBe(8)
    using net = await compile(opened.model, { backend, variables: opened.weights })
    const source = averages ? run.variables.averages : run.variables
    using same = await compile(smallNet(), { backend, variables: source })
    expect(await (await net.run({ image })).logits.data()).toEqual(await (await same.run({ image })).logits.data())
    const { top1, count } = await evaluate(opened.model, { data: held, variables: opened.weights, backend, batch: 5 })
    expect(count).toBe(12)
    expect(top1).toBe(averages ? run.emaTop1 : run.top1)
  }
  run.dispose()
})

test('by default the weights that the last evaluation found better', async () => {
  const { run, bytes } = await trained(0.5)
  run.dispose()
  const { tensors, metadata } = readSafetensors(bytes)
  const text = metadata.get('effuse.training') ?? ''
  const kernelOf = async (top1: number | null, emaTop1: number | null) => {
    const stored = JSON.parse(text)
    const changed = JSON.stringify({ ...stored, state: { ...stored.state, top1, emaTop1 } })
    const file = writeSafetensors(tensors.values(), { ...Object.fromEntries(metadata), 'effuse.training': changed })
    const opened = await openModel(file, { verify: false }) // the test modified it
    return readSafetensors(opened.weights).tensors.get('head/dense/kernel')?.bytes
  }
  const [raw, averaged] = [tensors.get('head/dense/kernel')?.bytes, tensors.get('ema/head/dense/kernel')?.bytes]
  expect(raw).not.toEqual(averaged)
  expect(await kernelOf(0.9, 0.8)).toEqual(raw)
  expect(await kernelOf(0.8, 0.8)).toEqual(averaged)
  expect(await kernelOf(null, null)).toEqual(averaged)
})

test('a run without averages rejects a request for them', async () => {
  const { run, bytes } = await trained(undefined)
  run.dispose()
  await expect(openModel(bytes, { weights: 'averages' })).rejects.toMatchObject({
    code: 'EF505',
    message: 'the checkpoint has no moving averages',
  })
  expect(readSafetensors((await openModel(bytes)).weights).tensors.has('optimizer/stem/conv/kernel/momentum')).toBe(
    false,
  )
})

test.each([
  ['with averages', 0.5],
  ['without', undefined],
] as const)(
  'saved weights of a run open with the model, the labels, the resolution and the same predictions (%s)',
  async (_, emaDecay) => {
    const { run, test: held } = await trained(emaDecay)
    const image = picture(2)
    const kinds = emaDecay === undefined ? (['raw'] as const) : (['raw', 'averages'] as const)
    for (const kind of kinds) {
      const source = kind === 'averages' ? run.variables.averages : run.variables
      const whole = await openModel(await run.variables.save(), { weights: kind })
      const alone = await openModel(await source.save())
      using same = await compile(smallNet(), { backend, variables: source })
      const wanted = await (await same.run({ image })).logits.data()
      for (const opened of kind === 'raw' && kinds.length > 1 ? [whole] : [whole, alone]) {
        expect(opened.model.name).toBe('efficientnet-b0')
        expect(opened.labels).toEqual(classes)
        expect(opened.resolution).toBe(8)
        using net = await compile(opened.model, { backend, variables: opened.weights })
        expect(await (await net.run({ image })).logits.data()).toEqual(wanted)
        const variables = opened.weights
        const { top1 } = await evaluate(opened.model, { data: held, variables, backend, batch: 5 })
        expect(top1).toBe(kind === 'averages' ? run.emaTop1 : run.top1)
      }
    }
    // The variables of the run load what they saved, and so do variables of a training that continues.
    await run.variables.load(await run.variables.save())
    run.dispose()
  },
)

test('saved variables of a training or evaluation step also contain the model', async () => {
  const model = smallNet()
  const step = trainingStep(model, { loss: crossEntropy(), optimizer: rmsprop({ learningRate: 0.01 }), emaDecay: 0.9 })
  for (const made of [
    step,
    evaluationStep(model, { loss: crossEntropy() }),
  ] as readonly unknown[] as readonly Model[]) {
    using net = await compile(made, { backend: 'reference', batch: 2 })
    const opened = await openModel(await net.variables.save())
    expect([opened.model.name, opened.resolution, opened.labels.length]).toEqual(['efficientnet-b0', 8, 3])
    using plain = await compile(opened.model, { backend: 'reference', variables: opened.weights })
    expect(await plain.variables.get('head/dense/kernel')).toEqual(await net.variables.get('head/dense/kernel'))
  }
})
