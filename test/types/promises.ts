/**
 * What the compiler refuses: each promise of the typed surface with the line that must not compile. Nothing here runs;
 * `npm run check` fails where an expected error does not occur.
 */
import {
  add,
  compile,
  composite,
  crossEntropy,
  efficientNet,
  equal,
  float32,
  graph,
  type Image,
  int32,
  loss,
  matmul,
  mean,
  mul,
  nn,
  read,
  reshape,
  sgd,
  silu,
  softmax,
  sub,
  trainingStep,
  type Value,
} from 'effuse'

const digits = graph('digits', { image: float32('batch', 28, 28, 1), label: int32('batch') }, ({ image, label }, b) => {
  const x: Image = silu(
    nn.batchNorm(nn.conv2d(image, { name: 'stem', filters: 16, kernel: 3, strides: 2 }), { name: 'bn' }),
  )
  const pooled: Value<'float32', 2> = mean(x, [1, 2])
  const total: Value<'float32', 0> = mean(x)
  const logits = nn.dense(pooled, { name: 'dense', units: 10 })
  const flat: Value<'float32', 2> = reshape(x, ['batch', -1])
  // @ts-expect-error a float and an int do not add
  add(pooled, label)
  // @ts-expect-error an image is no matrix
  matmul(image, pooled)
  // @ts-expect-error rank 4 is wanted
  nn.conv2d(pooled, { name: 'wrong', filters: 1, kernel: 1 })
  // @ts-expect-error a name is required
  nn.conv2d(image, { filters: 1, kernel: 1 })
  // @ts-expect-error softmax is for floats
  softmax(label)
  // @ts-expect-error the rank after a reduction is known
  const wrongRank: Value<'float32', 3> = mean(x, [1, 2])
  // @ts-expect-error a comparison gives bool
  const wrongDtype: Value<'float32', 2> = equal(pooled, 0)
  // @ts-expect-error options are checked
  nn.dense(pooled, { name: 'd', unit: 3 })
  const double = composite('double', (v: Value<'float32', 2>) => add(v, v), { amp: 'clear' })
  // @ts-expect-error a composite keeps its operand's rank
  double(x)
  void [total, flat, wrongRank, wrongDtype, b]
  return { logits, probabilities: softmax(double(logits)) }
})

// @ts-expect-error an output is a tensor
graph('bad', { x: float32(1) }, () => ({ y: 3 }))
// @ts-expect-error sizes are numbers or 'batch'
float32('n', 3)

export const runs = async (): Promise<void> => {
  using net = await compile(digits, { backend: 'reference', batch: 2 })
  const pixels = new Float32Array(2 * 784)
  const { logits, probabilities } = await net.run({ image: pixels, label: new Int32Array(2) })
  const values: Float32Array = await probabilities.data()
  const { logits: numbers } = await read({ logits })
  const first: number | undefined = numbers[0]
  await net.run({ image: new Uint8Array(2 * 784), label: [1, 2] })
  // @ts-expect-error a misspelt feed
  await net.run({ img: pixels, label: [1, 2] })
  // @ts-expect-error a missing feed
  await net.run({ image: pixels })
  // @ts-expect-error a surplus feed
  await net.run({ image: pixels, label: [1, 2], extra: pixels })
  // @ts-expect-error floats for labels
  await net.run({ image: pixels, label: new Float32Array(2) })
  // @ts-expect-error nested too deep
  await net.run({ image: pixels, label: [[1, 2]] })
  // @ts-expect-error a misspelt output
  const { logit } = await net.run({ image: pixels, label: [1, 2] })
  // @ts-expect-error an unknown option
  await compile(digits, { batchSize: 2 })
  const half = await compile(digits, { amp: { dtype: 'bfloat16', keep: ['head/**'], emulate: true } })
  const casts: number | undefined = half.amp?.casts
  // @ts-expect-error float32 is no half type
  await compile(digits, { amp: { dtype: 'float32' } })
  // @ts-expect-error there may have been no mixed precision
  half.amp.lowerBound
  // @ts-expect-error an unknown variant
  efficientNet('b8')
  // @ts-expect-error no such option
  efficientNet('b0', { clases: 3 })
  // @ts-expect-error another dtype than asked for
  const wrong: Float32Array = await net.variables.get('step', 'int32')
  void [values, first, logit, wrong, mul, casts]
}

const line = graph('line', { x: float32('batch', 2) }, ({ x }) => ({ y: nn.dense(x, { name: 'dense', units: 1 }) }))
const optimizer = sgd({ learningRate: 0.1, momentum: undefined })
// By itself a loss says which outputs it reads; inside trainingStep() it knows the model's.
const squared = loss({ wanted: float32('batch', 1) }, ({ y }: { y: Value<'float32', 2> }, { wanted }) => {
  const difference = sub(y, wanted)
  return mean(mul(difference, difference))
})
const ofZ = loss({}, ({ z }: { z: Value<'float32', 2> }) => mean(z))
export const trains = async (): Promise<void> => {
  using trainer = await compile(trainingStep(line, { loss: squared, optimizer }), { batch: 1 })
  const value: number = await (await trainer.run({ x: [[1, 2]], wanted: [[3]] })).loss.item()
  // @ts-expect-error the loss's target is missing
  await trainer.run({ x: [[1, 2]] })
  trainingStep(line, { loss: loss({}, ({ y }) => mean(y)), optimizer })
  // @ts-expect-error the model has no output z
  trainingStep(line, { loss: ofZ, optimizer })
  // @ts-expect-error nor does it in a loss written there
  trainingStep(line, { loss: loss({}, ({ z }) => mean(z)), optimizer })
  // @ts-expect-error a loss is a scalar
  trainingStep(line, { loss: loss({}, ({ y }) => y), optimizer })
  // @ts-expect-error cross-entropy wants logits
  trainingStep(line, { loss: crossEntropy(), optimizer })
  void value
}
