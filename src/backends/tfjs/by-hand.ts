/**
 * The peer of benchmarks: the same network as one would write it by hand with tfjs' public ops, a call per layer inside tf.tidy.
 * Not a backend: it knows only what convolutional networks for pictures need, and it uses tfjs' own engine.
 */
import type * as Tf from '@tensorflow/tfjs-core'
import { initialValues } from '../../ir/initializers.ts'
import { refKey } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { hostArrayOf, type HostArray } from '../backend.ts'
import type { BenchPeer, PeerRequest } from '../catalog.ts'
import { forward, variableNodes } from './by-hand-layers.ts'
import { trainByHand } from './by-hand-training.ts'

export interface HandWritten {
  run(feeds: { readonly [name: string]: Float32Array }): Promise<Float32Array>
  dispose(): void
}

/** The model as declared, for inference on tfjs's active backend. `tf` is the user's tfjs-core. */
export const byHand = (tf: typeof Tf, graph: Graph, variables: ReadonlyMap<string, HostArray>): HandWritten => {
  const weights = new Map(
    variableNodes(graph).map(({ attrs: { name }, types: [type] }) => [
      name,
      tf.tensor(variables.get(name) ?? [], [...(type?.shape ?? [])], 'float32'),
    ]),
  )
  const [output] = graph.outputs
  return {
    run: async (feeds) => {
      const result = tf.tidy(() => {
        const values = forward(graph, { tf, feeds, weights, training: null })
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

/**
 * Opens tfjs, makes `backend` its active one for each run, and gives the network with the initial values of a seed.
 * @throws EffuseError EF405 where it knows an op or an option not, or the backend lacks kernels for gradients.
 */
export const openByHand = async (
  backend: 'wasm' | 'cpu',
  { graph, seed, training }: PeerRequest,
  loadGradients: () => Promise<void>,
): Promise<BenchPeer> => {
  const tf = await import('@tensorflow/tfjs-core')
  await (backend === 'wasm' ? import('@tensorflow/tfjs-backend-wasm') : import('@tensorflow/tfjs-backend-cpu'))
  const activate = async (): Promise<void> => {
    if (tf.getBackend() !== backend) await tf.setBackend(backend)
    await tf.ready()
  }
  await activate()
  // The cpu backend greets at its first tensor.
  const instance = tf.backend()
  if ('firstUse' in instance) instance.firstUse = false
  const variables = new Map(
    variableNodes(graph).flatMap(({ attrs: { name, init }, types: [type] }) =>
      type === undefined
        ? []
        : [[name, hostArrayOf(type.dtype, initialValues(init, type.shape, { seed, name }))] as const],
    ),
  )
  if (training !== null) {
    if (tf.getGradient('Add') === undefined) await loadGradients()
    const trainer = trainByHand(tf, { graph, seed, training, variables })
    return {
      run: async (feeds) => {
        await activate()
        return trainer.step(feeds)
      },
      dispose: () => trainer.dispose(),
    }
  }
  const net = byHand(tf, graph, variables)
  return {
    run: async (feeds) => {
      await activate()
      await net.run(feeds as { readonly [name: string]: Float32Array }) // images are float32
      return null
    },
    dispose: () => net.dispose(),
  }
}
