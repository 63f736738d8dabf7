/**
 * What TypeScript infers for ops and layers: dtypes and ranks of results, and calls that must not compile. Nothing here runs; `npm run check` fails if an
 * expected error does not occur. promises.ts has models, feeds and results.
 */
import {
  add,
  and,
  argMax,
  avgPool2d,
  bool,
  broadcastTo,
  cast,
  composite,
  concatenate,
  dropout,
  equal,
  float16,
  float32,
  gather,
  globalAveragePool2d,
  graph,
  type Image,
  int32,
  isFinite as isFiniteValue,
  less,
  logSoftmax,
  matmul,
  maxPool2d,
  maximum,
  mean,
  mul,
  nn,
  not,
  oneHot,
  or,
  pow,
  reduceMax,
  reduceSum,
  relu,
  reshape,
  select,
  silu,
  softmax,
  topK,
  transpose,
  type Value,
  variance,
} from 'effuse'

/** Compiles only if A and B are the same type. Assignability alone would accept `Value<DType, number>`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(holds: Same<A, B>): void => void holds

const inputs = {
  image: float32('batch', 8, 8, 3),
  half: float16('batch', 8, 8, 3),
  matrix: float32('batch', 4),
  label: int32('batch'),
  mask: bool('batch', 4),
}

export const results = graph('results', inputs, ({ image, half, matrix, label, mask }) => {
  same<typeof image, Image>(true)
  same<typeof half, Image<'float16'>>(true)
  const sum = add(image, 1)
  same<typeof sum, Image>(true)
  const activated = silu(half)
  same<typeof activated, Image<'float16'>>(true)
  const compared = less(matrix, 0)
  same<typeof compared, Value<'bool', 2>>(true)
  const finite = isFiniteValue(image)
  same<typeof finite, Value<'bool', 4>>(true)
  const chosen = select(mask, matrix, 0)
  same<typeof chosen, Value<'float32', 2>>(true)
  const asInt = cast(matrix, 'int32')
  same<typeof asInt, Value<'int32', 2>>(true)
  const shaped = reshape(image, ['batch', 64, -1])
  same<typeof shaped, Value<'float32', 3>>(true)
  const repeated = broadcastTo(matrix, [5, 2, 4])
  same<typeof repeated, Value<'float32', 3>>(true)
  const [all, one, two] = [mean(image), mean(image, [3]), variance(image, [1, 2])] as const
  same<typeof all, Value<'float32', 0>>(true)
  same<typeof one, Value<'float32', 3>>(true)
  same<typeof two, Value<'float32', 2>>(true)
  const counted = reduceSum(label)
  same<typeof counted, Value<'int32', 0>>(true)
  const largest = reduceMax(half, [-1])
  same<typeof largest, Value<'float16', 3>>(true)
  const best = argMax(matrix)
  same<typeof best, Value<'int32'>>(true)
  const { values, indices } = topK(matrix, 2)
  same<typeof values, Value<'float32', 2>>(true)
  same<typeof indices, Value<'int32', 2>>(true)
  const pooled = globalAveragePool2d(half)
  same<typeof pooled, Value<'float16', 2>>(true)
  const narrow = nn.conv2d(half, { name: 'c', filters: 4, kernel: 3 })
  same<typeof narrow, Image<'float16'>>(true)
  const normal = nn.batchNorm(matrix, { name: 'bn' })
  same<typeof normal, Value<'float32', 2>>(true)
  const dense = nn.dense(matrix, { name: 'd', units: 3 })
  same<typeof dense, Value<'float32', 2>>(true)
  return { sum, dense }
})

export const refused = graph('refused', inputs, ({ image, half, matrix, label, mask }) => {
  // Dtypes of operands.
  // @ts-expect-error float and int
  mul(matrix, cast(matrix, 'int32'))
  // @ts-expect-error float32 and float16
  maximum(image, half)
  // @ts-expect-error int and float
  equal(label, mean(matrix, [1]))
  // @ts-expect-error the branches of a select must have one dtype
  select(mask, matrix, cast(matrix, 'float16'))
  // @ts-expect-error the condition of a select must be bool
  select(matrix, matrix, 0)
  // @ts-expect-error matmul needs operands of one dtype
  matmul(matrix, cast(matrix, 'float16'))
  // @ts-expect-error relu needs a float
  relu(label)
  // @ts-expect-error mean needs a float
  mean(label)
  // @ts-expect-error mean over axes needs a float
  mean(label, [0])
  // @ts-expect-error variance needs a float
  variance(label)
  // @ts-expect-error logSoftmax needs a float
  logSoftmax(mask)
  // @ts-expect-error dropout needs a float
  dropout(label, { rate: 0.5 })
  // @ts-expect-error the first operand of and must be bool
  and(matrix, mask)
  // @ts-expect-error the second operand of or must be bool
  or(mask, matrix)
  // @ts-expect-error not needs bool
  not(label)
  // @ts-expect-error indices must be int32
  gather(matrix, matrix)
  // @ts-expect-error class indices must be int32
  oneHot(matrix, 3)
  // @ts-expect-error an unknown dtype
  cast(matrix, 'float64')
  // @ts-expect-error at least one operand must be a tensor
  pow(2, 2)

  // Ranks.
  // @ts-expect-error pooling needs an image
  maxPool2d(matrix, { window: 2 })
  // @ts-expect-error global pooling needs an image
  globalAveragePool2d(matrix)
  // @ts-expect-error a convolution needs an image
  nn.depthwiseConv2d(matrix, { name: 'd', kernel: 3 })
  // @ts-expect-error dense needs a matrix
  nn.dense(image, { name: 'd', units: 3 })
  // @ts-expect-error squeeze-and-excite needs an image
  nn.squeezeExcite(matrix, { name: 'se', reduced: 1, activation: silu })
  // @ts-expect-error concatenate needs operands of one rank
  concatenate([image, matrix], 0)
  // @ts-expect-error concatenate needs operands of one dtype
  concatenate([image, half], 0)
  // @ts-expect-error concatenate needs at least one operand
  concatenate([], 0)
  // @ts-expect-error matmul needs operands of one rank
  matmul(image, matrix)
  // @ts-expect-error the result of reshape has the rank of the new shape
  const reshaped: Image = reshape(image, ['batch', -1])
  // @ts-expect-error the result of transpose has the rank of the operand
  const transposed: Value<'float32', 3> = transpose(matrix, [1, 0])
  // @ts-expect-error the mean over all axes is a scalar
  const scalar: Value<'float32', 1> = mean(matrix)

  // Options.
  // @ts-expect-error a layer needs a name
  nn.batchNorm(image, {})
  // @ts-expect-error a convolution needs filters
  nn.conv2d(image, { name: 'c', kernel: 3 })
  // @ts-expect-error a depthwise convolution takes no filters
  nn.depthwiseConv2d(image, { name: 'd', kernel: 3, filters: 3 })
  // @ts-expect-error a misspelt option
  nn.conv2d(image, { name: 'c', filters: 1, kernel: 3, stride: 2 })
  // @ts-expect-error an unknown padding
  nn.conv2d(image, { name: 'c', filters: 1, kernel: 3, padding: 'full' })
  // @ts-expect-error three strides
  avgPool2d(image, { window: 2, strides: [1, 2, 3] })
  // @ts-expect-error an unknown unit of dropout
  dropout(image, { rate: 0.5, per: 'batch' })
  // @ts-expect-error an unknown initial value
  nn.dense(matrix, { name: 'd', units: 1, init: { kind: 'one' } })
  // @ts-expect-error an unknown class for mixed precision
  composite('c', (x: Image) => x, { amp: 'always' })
  const twice = composite('twice', (x: Image) => add(x, x))
  // @ts-expect-error a composite accepts only the dtypes of its body's operands
  twice(half)
  // @ts-expect-error a composite accepts only as many operands as its body
  twice(image, image)
  // @ts-expect-error a size is a number or 'batch'
  reshape(image, ['n', -1])
  void [reshaped, transposed, scalar]
  return { y: softmax(matrix) }
})
