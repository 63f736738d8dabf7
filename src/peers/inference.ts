/**
 * A network for inference, written as by hand with tfjs's public ops: one call per layer inside tf.tidy.
 * It is not a backend: it has only the ops of convolutional networks for pictures, and it uses tfjs's own engine.
 */
import type * as Tf from '@tensorflow/tfjs-core'
import { refKey } from '../ir/graph.ts'
import type { Graph } from '../ir/types.ts'
import type { HostArray } from '../backends/backend.ts'
import { forward, variableNodes } from './layers.ts'

export interface HandWritten {
  run(feeds: { readonly [name: string]: Float32Array }): Promise<Float32Array>
  dispose(): void
}

/** The declared model, for inference on tfjs's active backend. `tf` is the user's tfjs-core. */
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
