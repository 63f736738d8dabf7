/** A checkpoint of a training run opens as a model: no slots, and the averages where they are better. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { openModel } from '../../src/models/open-model.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { rmsprop } from '../../src/passes/train/optimizers.ts'
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

test('weights as they are or averaged, the labels, and the answers of the run', async () => {
  const { run, bytes, test: held } = await trained(0.5)
  const image = picture(1)
  for (const averages of [false, true]) {
    const opened = await openModel(bytes, { averages })
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

test('by default what the last evaluation found better', async () => {
  const { run, bytes } = await trained(0.5)
  run.dispose()
  const { tensors, metadata } = readSafetensors(bytes)
  const text = metadata.get('effuse.training') ?? ''
  const kernelOf = async (top1: number | null, emaTop1: number | null) => {
    const told = JSON.parse(text)
    const changed = JSON.stringify({ ...told, state: { ...told.state, top1, emaTop1 } })
    const file = writeSafetensors(tensors.values(), { ...Object.fromEntries(metadata), 'effuse.training': changed })
    return readSafetensors((await openModel(file)).weights).tensors.get('head/dense/kernel')?.bytes
  }
  const [raw, averaged] = [tensors.get('head/dense/kernel')?.bytes, tensors.get('ema/head/dense/kernel')?.bytes]
  expect(raw).not.toEqual(averaged)
  expect(await kernelOf(0.9, 0.8)).toEqual(raw)
  expect(await kernelOf(0.8, 0.8)).toEqual(averaged)
  expect(await kernelOf(null, null)).toEqual(averaged)
})

test('a run without averages has none to give', async () => {
  const { run, bytes } = await trained(undefined)
  run.dispose()
  await expect(openModel(bytes, { averages: true })).rejects.toMatchObject({
    code: 'EF505',
    message: 'the checkpoint holds no moving averages',
  })
  expect(readSafetensors((await openModel(bytes)).weights).tensors.has('optimizer/stem/conv/kernel/momentum')).toBe(
    false,
  )
})
