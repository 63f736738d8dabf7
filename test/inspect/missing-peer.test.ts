/** A peer whose packages are not installed. */
import { expect, test, vi } from 'vitest'
import { efficientNet } from '../../src/index.ts'
import { bench } from '../../src/inspect/bench.ts'

vi.mock('@tensorflow/tfjs-core', () => {
  throw new Error("Cannot find package '@tensorflow/tfjs-core'")
})

const net = efficientNet('b0', {
  resolution: 8,
  classes: 2,
  blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 1 }],
})

test('a peer without tfjs-core is told with the command that adds it, on a machine where only the reference runs', async () => {
  const report = bench(net, { backend: 'reference', against: ['tfjs-wasm'], rounds: 1, opByOp: false })
  await expect(report).rejects.toMatchObject({
    code: 'EF404',
    message: 'the peer "tfjs-wasm" needs the package @tensorflow/tfjs-core, which is not installed',
    hint: 'npm install @tensorflow/tfjs-core@4',
  })
})
