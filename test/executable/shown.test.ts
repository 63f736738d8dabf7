/** console.log of users' objects prints one helpful line. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { mean, relu } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32, type Value } from '../../src/ir/value.ts'
import { digits } from '../../src/data/digits.ts'
import { openModel } from '../../src/models/open-model.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { fit } from '../../src/train/fit.ts'
import { pictures, smallNet } from '../train/small-data.ts'

test('a value, a model, an executable, its variables and results print one line', async () => {
  let value: Value | undefined
  const model = graph('net', { x: float32('batch', 3) }, ({ x }) => {
    value = x
    const y = relu(nn.dense(x, { name: 'dense', units: 2 }))
    return { y, loss: mean(y) }
  })
  expect(inspect(value)).toBe('Value float32[2,3] of a graph; only runs of the compiled graph give it numbers')
  expect(inspect(model)).toBe('Model "net": x float32[batch,3] -> y, loss; compile() makes it run')
  const net = await compile(model, { backend: 'reference', batch: 4 })
  expect(inspect({ net })).toBe(
    `{\n  net: Executable "net" on reference: x float32[4,3] -> y float32[4,2], loss float32[]; await executable.run({ … }) gives results\n}`,
  )
  expect(inspect(net.variables)).toBe(
    'Variables: dense/kernel float32[3,2], dense/bias float32[2]; await variables.get(name) gives the numbers of one',
  )
  const { y, loss } = await net.run({ x: new Float32Array(12) })
  expect([inspect(y), inspect(loss)]).toEqual([
    'Result "y" float32[4,2]; its numbers: await result.data()',
    'Result "loss" float32[]; its number: await result.item()',
  ])
  expect(`${value} ${model} ${net} ${net.variables} ${y}`).toContain('Executable "net"')
  // Code that enumerates properties does not see it.
  expect([Object.keys(y), Object.getOwnPropertySymbols({ ...net })]).toEqual([
    ['dtype', 'shape', 'rank', 'data', 'item', 'dispose'],
    [Symbol.dispose],
  ])
  y.dispose()
  net.dispose()
  expect(inspect(y)).toBe('Result "y" float32[4,2], disposed of')
  expect(inspect(net)).toMatch(/^Executable "net" on reference, disposed of: /)
})

test('only the first five of many inputs, outputs and variables are named', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i}`)
  const model = graph('wide', { x: float32(1) }, ({ x }) => Object.fromEntries(names.map((name) => [name, relu(x)])))
  using net = await compile(model, { backend: 'reference' })
  for (const line of [inspect(model), inspect(net)]) {
    expect(line).toMatch(/n4( float32\[1\])? and 7 more/)
    expect(line.split('\n')).toHaveLength(1)
  }
  expect(inspect(net.variables)).toMatch(/^Variables: none/)
})

test('a run of fit(), the result of openModel() and picture sources print one line, and their properties are unchanged', async () => {
  const data = { train: pictures(20), test: pictures(10) }
  const checkpoints = memoryStore()
  using run = await fit(smallNet(), {
    ...{ data, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.01 }), epochs: 1, batch: 10, emaDecay: 0.9 },
    ...{ checkpoints, backend: 'reference' },
  })
  expect(inspect(run)).toMatch(
    /^Training run, finished after 1 epoch, 2 updates, loss [\d.]+, top1 [\d.]+ %, emaTop1 [\d.]+ %, checkpoint "step-00000002\.safetensors"; await run\.variables\.save\(path\) saves its weights$/,
  )
  expect({ ...run }.epochs).toBe(1)
  const opened = await openModel(await checkpoints.read('step-00000002.safetensors'))
  expect(inspect(opened)).toMatch(
    /^Opened "efficientnet-b0": averaged weights of \d+ bytes, 3 labels; compile\(opened\.model, \{ variables: opened\.weights \}\) makes it run$/,
  )
  const { test: held } = digits()
  expect(inspect(held)).toBe(
    'Pictures: 1996 of 10 classes (0, 1, 2, 3, 4 and 5 more); batches({ batch, epoch, seed }) gives those of an epoch',
  )
  expect({ ...held }.length).toBe(1996)
})
