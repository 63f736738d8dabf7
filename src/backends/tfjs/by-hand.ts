/**
 * The peer of benchmarks: the same network as one would write it by hand with tfjs' public ops, a call per layer inside tf.tidy.
 * Not a backend: it knows only what inference of convolutional networks needs, and it uses tfjs' own engine.
 */
import type * as Tf from '@tensorflow/tfjs-core'
import { EffuseError } from '../../ir/diagnostics.ts'
import { liveOrder, refKey } from '../../ir/graph.ts'
import type { Padding } from '../../ir/signatures.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { initialValues } from '../../ir/initializers.ts'
import { hostArrayOf, type HostArray } from '../backend.ts'
import type { BenchPeer } from '../catalog.ts'

export interface HandWritten {
  run(feeds: { readonly [name: string]: Float32Array }): Promise<Float32Array>
  dispose(): void
}

/** The model as declared, on tfjs' active backend. `tf` is the user's tfjs-core. */
export const byHand = (tf: typeof Tf, graph: Graph, variables: ReadonlyMap<string, HostArray>): HandWritten => {
  const weights = new Map<string, Tf.Tensor>()
  for (const node of liveOrder(graph)) {
    const data = node.op === 'variable' ? variables.get(node.attrs.name) : undefined
    if (node.op === 'variable' && data !== undefined)
      weights.set(node.attrs.name, tf.tensor(data, [...(node.types[0]?.shape ?? [])], 'float32'))
  }
  const [output] = graph.outputs
  return {
    run: async (feeds) => {
      const result = tf.tidy(() => {
        const values = new Map<number, Tf.Tensor>()
        for (const node of liveOrder(graph))
          values.set(
            refKey({ id: node.id, port: 0 }),
            layer(
              tf,
              node,
              node.inputs.map((ref) => values.get(refKey(ref)) as Tf.Tensor),
              feeds,
              weights,
            ),
          )
        return values.get(output === undefined ? -1 : refKey(output.value)) as Tf.Tensor
      })
      const data = (await result.data()) as Float32Array
      result.dispose()
      return data
    },
    dispose: () => {
      for (const tensor of weights.values()) tensor.dispose()
    },
  }
}

const padOf = (
  padding: Padding,
): 'same' | 'valid' | [[number, number], [number, number], [number, number], [number, number]] =>
  typeof padding === 'string' ? padding : [[0, 0], [...padding[0]], [...padding[1]], [0, 0]]

const layer = (
  tf: typeof Tf,
  node: Node,
  operands: readonly Tf.Tensor[],
  feeds: { readonly [name: string]: Float32Array },
  weights: ReadonlyMap<string, Tf.Tensor>,
): Tf.Tensor => {
  const [x, y, z, u, v] = operands as [Tf.Tensor, Tf.Tensor, Tf.Tensor, Tf.Tensor, Tf.Tensor] // as many as the op takes
  const shape = [...(node.types[0]?.shape ?? [])]
  switch (node.op) {
    case 'input':
      return tf.tensor(feeds[node.attrs.name] as Float32Array, shape)
    case 'variable':
      return weights.get(node.attrs.name) as Tf.Tensor
    case 'constant':
      return typeof node.attrs.value === 'number'
        ? tf.scalar(node.attrs.value)
        : tf.tensor([...(node.attrs.value as readonly number[])], shape)
    // By hand one leaves repeating to tfjs' own broadcasting.
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
      return tf.conv2d(x as Tf.Tensor4D, y as Tf.Tensor4D, [...node.attrs.strides], padOf(node.attrs.padding), 'NHWC', [
        ...node.attrs.dilations,
      ])
    case 'depthwiseConv2d':
      return tf.depthwiseConv2d(
        x as Tf.Tensor4D,
        y as Tf.Tensor4D,
        [...node.attrs.strides],
        padOf(node.attrs.padding),
        'NHWC',
        [...node.attrs.dilations],
      )
    case 'batchNorm':
      return tf.batchNorm(x, u as Tf.Tensor1D, v as Tf.Tensor1D, z as Tf.Tensor1D, y as Tf.Tensor1D, node.attrs.epsilon)
    case 'dropout':
      return x
    default:
      throw new EffuseError({
        code: 'EF405',
        path: node.path,
        message: `the hand-written peer does not know ${node.op}`,
      })
  }
}

/** Opens tfjs, makes `backend` its active one for each run, and gives the peer with the initial values of a seed. */
export const openByHand = async (backend: 'wasm' | 'cpu', graph: Graph, seed: number): Promise<BenchPeer> => {
  const tf = await import('@tensorflow/tfjs-core')
  await (backend === 'wasm' ? import('@tensorflow/tfjs-backend-wasm') : import('@tensorflow/tfjs-backend-cpu'))
  await tf.setBackend(backend)
  await tf.ready()
  const variables = new Map(
    liveOrder(graph).flatMap((n) => {
      const [type] = n.types
      return n.op === 'variable' && type !== undefined
        ? [
            [
              n.attrs.name,
              hostArrayOf(type.dtype, initialValues(n.attrs.init, type.shape, { seed, name: n.attrs.name })),
            ] as const,
          ]
        : []
    }),
  )
  const net = byHand(tf, graph, variables)
  return {
    run: async (feeds) => {
      if (tf.getBackend() !== backend) await tf.setBackend(backend)
      await net.run(feeds as { readonly [name: string]: Float32Array }) // images are float32
    },
    dispose: () => net.dispose(),
  }
}
