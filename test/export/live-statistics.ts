/** Weights with which a deep network has useful outputs. */
import { expect } from 'vitest'
import { compile } from '../../src/index.ts'
import type { Model } from '../../src/ir/model.ts'
import { expectClose } from '../support/one-graph.ts'

/** Initial weights, with variances of batch norms that neither shrink the signal to zero nor let it grow. Returns the bytes of a weights file. */
export const withLiveStatistics = async (model: Model): Promise<Uint8Array> => {
  using net = await compile(model, { backend: 'reference' })
  for (const name of net.variables.names('**/bn/variance')) {
    const [size = 0] = net.variables.describe(name).shape
    await net.variables.set(name, new Float32Array(size).fill(0.6))
  }
  return net.variables.save()
}

/** Within a fraction of the largest number. */
export const expectCloseTogether = (
  got: ArrayLike<number> | undefined,
  want: ArrayLike<number>,
  tolerance: number,
): void => {
  const largest = Math.max(...Array.from(want, Math.abs))
  expect(largest).toBeGreaterThan(1e-3)
  const scaled = (values: ArrayLike<number>): readonly number[] => Array.from(values, (value) => value / largest)
  expectClose(got === undefined ? undefined : scaled(got), scaled(want), tolerance)
}
