/**
 * A training step, written as by hand in tfjs: tf.variableGrads over the network with the statistics of the batch, an optimizer with the formulas of
 * tfjs's own, moving averages. It starts from the same values and uses the same dropout masks, so its first loss equals effuse's.
 */
import type * as Tf from '@tensorflow/tfjs-core'
import { EffuseError } from '../ir/diagnostics.ts'
import { nodeAt, refKey } from '../ir/graph.ts'
import { randomUniform } from '../ir/philox.ts'
import { elements, type Graph, type Node, type Ref } from '../ir/types.ts'
import { scheduleAt } from '../passes/train/schedules.ts'
import type { StepOptions } from '../passes/train/step.ts'
import { decayed } from '../passes/train/weight-decay.ts'
import type { HostArray } from '../backends/backend.ts'
import { forward, variableNodes } from './layers.ts'
import { makeOptimizer } from './optimizers.ts'

export interface TrainingRequest {
  /** The step as declared: the network with its loss. */
  readonly graph: Graph
  readonly seed: number
  readonly training: StepOptions
  readonly variables: ReadonlyMap<string, HostArray>
}

export interface HandWrittenStep {
  readonly weights: ReadonlyMap<string, Tf.Variable>
  /** Moving averages by the weights' names; empty without `emaDecay`. */
  readonly averages: ReadonlyMap<string, Tf.Variable>
  /** Runs one step and returns its loss, including weight decay. */
  step(feeds: { readonly [name: string]: Float32Array | Int32Array }): Promise<number>
  dispose(): void
}

/** @throws EffuseError EF405 */
export const trainByHand = (tf: typeof Tf, { graph, seed, training, variables }: TrainingRequest): HandWrittenStep => {
  checkKernels(tf, graph)
  checkOptions(training)
  const weights = new Map(
    variableNodes(graph).map(({ attrs: { name, trainable }, types: [type] }) => {
      const shape = [...(type?.shape ?? [])]
      return [name, variableOf(tf, () => tf.tensor(variables.get(name) ?? [], shape, 'float32'), trainable)] as const
    }),
  )
  const trained = [...weights].filter(([, variable]) => variable.trainable)
  const averages = new Map(
    training.emaDecay === undefined
      ? []
      : [...weights].map(([name, variable]) => [name, variableOf(tf, () => variable.clone(), false)] as const),
  )
  const optimizer = makeOptimizer(tf, training.optimizer, trained)
  const output = graph.outputs.find(({ name }) => name === 'loss')
  let t = 0
  const step = (feeds: { readonly [name: string]: Float32Array | Int32Array }): Tf.Scalar => {
    const statistics: Statistics[] = []
    const draw = (stream: string, count: number): Float32Array =>
      randomUniform({ seed, stream, runIndex: t, replica: 0, count })
    const lossOf = (): Tf.Scalar => {
      const onStatistics: StatisticsListener = (norm, mean, variance) =>
        statistics.push({ norm, mean: tf.keep(mean), variance: tf.keep(variance) })
      const values = forward(graph, { tf, feeds, weights, training: { draw, onStatistics } })
      const dataLoss = values.get(output === undefined ? -1 : refKey(output.value)) as Tf.Scalar
      return withDecay(tf, dataLoss, trained, training.weightDecay ?? 0)
    }
    const { value, grads } = tf.variableGrads(
      lossOf,
      trained.map(([, variable]) => variable),
    )
    tf.tidy(() => {
      optimizer.apply(grads, scheduleAt(training.optimizer.learningRate, t), t)
      for (const one of statistics) moveStatistics(tf, graph, one, weights)
      if (training.emaDecay !== undefined) moveAverages(tf, weights, averages, training.emaDecay, t + 1)
    })
    tf.dispose([Object.values(grads), statistics.map(({ mean, variance }) => [mean, variance])])
    t++
    return value
  }
  return {
    weights,
    averages,
    step: async (feeds) => {
      const loss = step(feeds)
      const [value = Number.NaN] = await loss.data()
      loss.dispose()
      return value
    },
    dispose: () => {
      for (const variable of [...weights.values(), ...averages.values()]) variable.dispose()
      optimizer.dispose()
    },
  }
}

/** A variable with the value of a new tensor, which is then disposed of: tfjs would keep both. */
const variableOf = (tf: typeof Tf, initial: () => Tf.Tensor, trainable: boolean): Tf.Variable =>
  tf.tidy(() => tf.variable(initial(), trainable))

interface Statistics {
  readonly norm: Node<'batchNorm'>
  readonly mean: Tf.Tensor
  readonly variance: Tf.Tensor
}
type StatisticsListener = (norm: Node<'batchNorm'>, mean: Tf.Tensor, variance: Tf.Tensor) => void
type Variables = ReadonlyMap<string, Tf.Variable>

const withDecay = (
  tf: typeof Tf,
  loss: Tf.Scalar,
  trained: readonly (readonly [string, Tf.Variable])[],
  lambda: number,
): Tf.Scalar => {
  const squares = trained.filter(([name]) => decayed(name)).map(([, w]) => tf.sum(tf.square(w)))
  // Added one by one, because addN of all would bind more buffers than WebGPU allows.
  return lambda === 0
    ? loss
    : tf.add(
        loss,
        tf.mul(
          squares.reduce<Tf.Tensor>((sum, one) => tf.add(sum, one), tf.scalar(0)),
          lambda,
        ),
      )
}

/** Moving mean and variance; the variance is the unbiased one. */
const moveStatistics = (
  tf: typeof Tf,
  graph: Graph,
  { norm, mean, variance }: Statistics,
  weights: Variables,
): void => {
  const [x, , , meanRef, varianceRef] = norm.inputs
  const shape = x === undefined ? [] : (nodeAt(graph, x.id).types[x.port]?.shape ?? [])
  const rows = elements(shape.slice(0, -1))
  const { momentum } = norm.attrs
  const move = (ref: Ref | undefined, now: Tf.Tensor): void => {
    const node = ref === undefined ? null : nodeAt(graph, ref.id)
    const moving = node?.op === 'variable' ? weights.get(node.attrs.name) : undefined
    moving?.assign(tf.add(tf.mul(moving, momentum), tf.mul(now, 1 - momentum)))
  }
  move(meanRef, mean)
  move(varianceRef, tf.mul(variance, rows / Math.max(rows - 1, 1)))
}

const moveAverages = (tf: typeof Tf, weights: Variables, averages: Variables, decay: number, t: number): void => {
  const d = Math.min(decay, (1 + t) / (10 + t))
  for (const [name, average] of averages) {
    const value = weights.get(name) as Tf.Variable // the averages have the names of the weights
    average.assign(tf.add(tf.mul(average, d), tf.mul(value, 1 - d)))
  }
}

/** Kernels that tfjs's gradients of these ops call. Its wasm backend has few of them. */
const gradientKernels: { readonly [op: string]: readonly string[] } = {
  conv2d: ['Conv2DBackpropFilter', 'Conv2DBackpropInput'],
  depthwiseConv2d: ['DepthwiseConv2dNativeBackpropFilter', 'DepthwiseConv2dNativeBackpropInput'],
}

const checkKernels = (tf: typeof Tf, graph: Graph): void => {
  const backend = tf.getBackend()
  const needed = new Set(graph.nodes.flatMap((node) => (node === null ? [] : (gradientKernels[node.op] ?? []))))
  const missing = [...needed].filter((kernel) => tf.getKernel(kernel, backend) === undefined)
  if (missing.length > 0)
    throw new EffuseError({
      code: 'EF405',
      message: `tfjs-${backend} cannot train ${graph.name}: it has no kernel ${missing.join(', ')}`,
      hint: 'tfjs-cpu has them, but is many times slower',
    })
}

const checkOptions = ({ accumulate = 1, clipNorm, frozen, lossScale }: StepOptions): void => {
  const unknown = [
    ...(accumulate === 1 ? [] : ['accumulate']),
    ...(clipNorm === undefined ? [] : ['clipNorm']),
    ...(frozen === undefined || frozen.length === 0 ? [] : ['frozen']),
    ...(lossScale === undefined || lossScale === 'auto' || lossScale === 'none' ? [] : ['lossScale']),
  ]
  if (unknown.length > 0)
    throw new EffuseError({
      code: 'EF405',
      message: `the training step written by hand does not support ${unknown.join(', ')}`,
    })
}
