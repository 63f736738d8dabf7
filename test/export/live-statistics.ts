/** Weights with which a deep network gives more than nothing. */
import { compile } from '../../src/index.ts'
import type { Model } from '../../src/ir/model.ts'

/** Initial weights, with variances of batch norms so small that the signal lasts to the end. Bytes of a file of weights. */
export const withLiveStatistics = async (model: Model): Promise<Uint8Array> => {
  using net = await compile(model, { backend: 'reference' })
  for (const name of net.variables.names('**/bn/variance')) {
    const [size = 0] = net.variables.describe(name).shape
    await net.variables.set(name, new Float32Array(size).fill(0.05))
  }
  return net.variables.save()
}
