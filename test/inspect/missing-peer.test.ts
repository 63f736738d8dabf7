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

test('a peer without tfjs-core is reported with the install command, and the others still run', async () => {
  const against = ['tfjs-wasm', 'onnxruntime', 'pytorch']
  const { rows, skipped } = await bench(net, { backend: 'reference', against, rounds: 1, opByOp: false, threads: 1 })
  expect(rows.map(({ name }) => name)).toEqual(['effuse', 'onnxruntime'])
  expect(rows[1]?.about).toMatch(/^effuse's ONNX file, ONNX Runtime \d/)
  expect(skipped).toEqual([
    {
      name: 'tfjs-wasm',
      reason: 'the peer "tfjs-wasm" needs the package @tensorflow/tfjs-core, which is not installed',
      fix: 'npm install @tensorflow/tfjs-core@4',
    },
    {
      name: 'pytorch',
      reason: 'pytorch has EfficientNets as published, and efficientnet-b0 is one with other blocks',
      fix: null,
    },
  ])
})
