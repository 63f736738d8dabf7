/** Runs a network layer by layer by tfjs's public ops, as written by hand. The peers of benchmarks use it. */
import type * as Tf from '@tensorflow/tfjs-core'
import { EffuseError } from '../ir/diagnostics.ts'
import { liveOrder, refKey } from '../ir/graph.ts'
import type { Padding } from '../ir/signatures.ts'
import { elements, type Graph, type Node } from '../ir/types.ts'

export interface LayerContext {
  /** The user's tfjs-core. */
  readonly tf: typeof Tf
  readonly feeds: { readonly [name: string]: Float32Array | Int32Array }
  readonly weights: ReadonlyMap<string, Tf.Tensor>
  /** Null for inference. */
  readonly training: TrainingMode | null
}

export interface TrainingMode {
  /** Numbers in [0, 1) from effuse's random streams, so that both use the same dropout masks and have comparable losses. */
  readonly draw: (stream: string, count: number) => Float32Array
  /** Called at each norm with the statistics of the batch. */
  readonly onStatistics: (norm: Node<'batchNorm'>, mean: Tf.Tensor, variance: Tf.Tensor) => void
}

/** Computes the results of all nodes, by refKey. */
export const forward = (graph: Graph, cx: LayerContext): ReadonlyMap<number, Tf.Tensor> => {
  const values = new Map<number, Tf.Tensor>()
  for (const node of liveOrder(graph)) {
    const operands = node.inputs.map((ref) => values.get(refKey(ref)) as Tf.Tensor) // in the order of the graph
    values.set(refKey({ id: node.id, port: 0 }), layer(node, operands, cx))
  }
  return values
}

export const variableNodes = (graph: Graph): readonly Node<'variable'>[] =>
  liveOrder(graph).filter((node) => node.op === 'variable')

const padOf = (
  padding: Padding,
): 'same' | 'valid' | [[number, number], [number, number], [number, number], [number, number]] =>
  typeof padding === 'string' ? padding : [[0, 0], [...padding[0]], [...padding[1]], [0, 0]]

/** The node's result. @throws EffuseError EF405 for ops that networks for pictures do not need */
const layer = (node: Node, operands: readonly Tf.Tensor[], cx: LayerContext): Tf.Tensor => {
  const { tf, feeds, weights } = cx
  const [x, y] = operands as readonly [Tf.Tensor, Tf.Tensor] // each op reads only the operands that it has
  const shape = [...(node.types[0]?.shape ?? [])]
  switch (node.op) {
    case 'input':
      return tf.tensor(feeds[node.attrs.name] ?? [], shape, node.types[0]?.dtype === 'int32' ? 'int32' : 'float32')
    case 'variable':
      return weights.get(node.attrs.name) as Tf.Tensor
    case 'constant':
      return typeof node.attrs.value === 'number'
        ? tf.scalar(node.attrs.value)
        : tf.tensor([...(node.attrs.value as readonly number[])], shape)
    // Code written by hand relies on tfjs's own broadcasting.
    case 'broadcast':
      return tf.reshape(
        x,
        shape.map((_, axis) => (node.attrs.axes.includes(axis) ? (x.shape[node.attrs.axes.indexOf(axis)] ?? 1) : 1)),
      )
    case 'add':
      return tf.add(x, y)
    case 'sub':
      return tf.sub(x, y)
    case 'mul':
      return tf.mul(x, y)
    case 'div':
      return tf.div(x, y)
    case 'sigmoid':
      return tf.sigmoid(x)
    case 'relu':
      return tf.relu(x)
    case 'relu6':
      return tf.relu6(x)
    case 'silu':
      return tf.mul(x, tf.sigmoid(x))
    case 'softmax':
      return tf.softmax(x, node.attrs.axis)
    case 'mean':
      return tf.mean(x, [...node.attrs.axes], node.attrs.keepDims)
    case 'reshape':
      return tf.reshape(x, shape)
    case 'matmul':
      return tf.matMul(x as Tf.Tensor2D, y as Tf.Tensor2D, node.attrs.transposeA, node.attrs.transposeB)
    case 'conv2d':
    case 'depthwiseConv2d':
      return convolution(node, x as Tf.Tensor4D, y as Tf.Tensor4D, tf)
    case 'batchNorm':
      return batchNorm(node, operands, cx)
    case 'dropout':
      return dropped(node, x, cx)
    case 'oneHot':
      return tf.cast(tf.oneHot(x as Tf.Tensor1D, node.attrs.depth), 'float32')
    case 'softmaxCrossEntropy':
      return tf.losses.softmaxCrossEntropy(y, x, undefined, 0, tf.Reduction.NONE)
    case 'argMax':
      return tf.argMax(x, node.attrs.axis)
    case 'compare':
      if (node.attrs.direction === 'eq') return tf.equal(x, y)
      break
    case 'cast':
      return tf.cast(x, node.attrs.to === 'int32' ? 'int32' : 'float32')
    case 'reduceSum':
      return tf.sum(x, [...node.attrs.axes], node.attrs.keepDims)
  }
  throw new EffuseError({
    code: 'EF405',
    path: node.path,
    message: `the network written by hand does not support ${node.op}`,
  })
}

const convolution = (
  { op, attrs: { strides, padding, dilations } }: Node<'conv2d' | 'depthwiseConv2d'>,
  x: Tf.Tensor4D,
  kernel: Tf.Tensor4D,
  tf: typeof Tf,
): Tf.Tensor =>
  op === 'conv2d'
    ? tf.conv2d(x, kernel, [...strides], padOf(padding), 'NHWC', [...dilations])
    : tf.depthwiseConv2d(x, kernel, [...strides], padOf(padding), 'NHWC', [...dilations])

const batchNorm = (node: Node<'batchNorm'>, operands: readonly Tf.Tensor[], { tf, training }: LayerContext) => {
  const [x, scale, offset, mean, variance] = operands as readonly [Tf.Tensor, ...Tf.Tensor1D[]] // arity 5
  const { epsilon } = node.attrs
  if (training === null) return tf.batchNorm(x, mean as Tf.Tensor1D, variance as Tf.Tensor1D, offset, scale, epsilon)
  const batch = tf.moments(
    x,
    x.shape.slice(0, -1).map((_, axis) => axis),
  )
  training.onStatistics(node, batch.mean, batch.variance)
  return tf.batchNorm(x, batch.mean as Tf.Tensor1D, batch.variance as Tf.Tensor1D, offset, scale, epsilon)
}

const dropped = ({ attrs: { rate, per, stream } }: Node<'dropout'>, x: Tf.Tensor, { tf, training }: LayerContext) => {
  if (training === null || rate === 0) return x
  const shape = per === 'sample' ? x.shape.map((size, axis) => (axis === 0 ? size : 1)) : x.shape
  const mask = training.draw(stream, elements(shape)).map((u) => (u >= rate ? 1 / (1 - rate) : 0))
  return tf.mul(x, tf.tensor(mask, shape))
}
