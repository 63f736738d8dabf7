/**
 * What the types guarantee: each guarantee with a line that must not compile. Nothing here runs; `npm run check` fails if an expected error does not
 * occur.
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
  // @ts-expect-error add needs operands of one dtype
  add(pooled, label)
  // @ts-expect-error matmul needs operands of one rank
  matmul(image, pooled)
  // @ts-expect-error a convolution needs rank 4
  nn.conv2d(pooled, { name: 'wrong', filters: 1, kernel: 1 })
  // @ts-expect-error a name is required
  nn.conv2d(image, { filters: 1, kernel: 1 })
  // @ts-expect-error softmax needs a float
  softmax(label)
  // @ts-expect-error a reduction over two of four axes has rank 2
  const wrongRank: Value<'float32', 3> = mean(x, [1, 2])
  // @ts-expect-error a comparison returns bool
  const wrongDtype: Value<'float32', 2> = equal(pooled, 0)
  // @ts-expect-error an unknown option of a layer
  nn.dense(pooled, { name: 'd', unit: 3 })
  const double = composite('double', (v: Value<'float32', 2>) => add(v, v), { amp: 'clear' })
  // @ts-expect-error a composite accepts only the rank of its body's operand
  double(x)
  void [total, flat, wrongRank, wrongDtype, b]
  return { logits, probabilities: softmax(double(logits)) }
})

// @ts-expect-error an output must be a tensor
graph('bad', { x: float32(1) }, () => ({ y: 3 }))
// @ts-expect-error a size is a number or 'batch'
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
  // @ts-expect-error an unknown feed
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
  // @ts-expect-error float32 is not a half type
  await compile(digits, { amp: { dtype: 'float32' } })
  // @ts-expect-error `amp` is null without mixed precision
  half.amp.lowerBound
  // @ts-expect-error an unknown variant
  efficientNet('b8')
  // @ts-expect-error a misspelt option
  efficientNet('b0', { clases: 3 })
  // @ts-expect-error the result has the requested dtype, int32
  const wrong: Float32Array = await net.variables.get('step', 'int32')
  void [values, first, logit, wrong, mul, casts]
}

const line = graph('line', { x: float32('batch', 2) }, ({ x }) => ({ y: nn.dense(x, { name: 'dense', units: 1 }) }))
const optimizer = sgd({ learningRate: 0.1, momentum: undefined })
// A loss that is declared separately states which outputs it reads. Inside of trainingStep() the outputs are those of the model.
const squared = loss({ wanted: float32('batch', 1) }, ({ y }: { y: Value<'float32', 2> }, { wanted }) => {
  const difference = sub(y, wanted)
  return mean(mul(difference, difference))
})
const ofZ = loss({}, ({ z }: { z: Value<'float32', 2> }) => mean(z))
export const trains = async (): Promise<void> => {
  using trainer = await compile(trainingStep(line, { loss: squared, optimizer }), { batch: 1 })
  const value: number = await (await trainer.run({ x: [[1, 2]], wanted: [[3]] })).loss.item()
  // @ts-expect-error the target of the loss is missing
  await trainer.run({ x: [[1, 2]] })
  trainingStep(line, { loss: loss({}, ({ y }) => mean(y)), optimizer })
  // @ts-expect-error the model has no output z
  trainingStep(line, { loss: ofZ, optimizer })
  // @ts-expect-error the model has no output z, also for a loss that is declared in place
  trainingStep(line, { loss: loss({}, ({ z }) => mean(z)), optimizer })
  // @ts-expect-error a loss must be a scalar
  trainingStep(line, { loss: loss({}, ({ y }) => y), optimizer })
  // @ts-expect-error crossEntropy() needs an output "logits"
  trainingStep(line, { loss: crossEntropy(), optimizer })
  void value
}
