/** When a swish may be fused with the convolution before it, and that both forms compute the same. */
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { lowerGraph } from '../../../src/backends/tensorflow/lower-graph.ts'
import type { SwishFusion } from '../../../src/backends/tensorflow/lowering.ts'
import { compile } from '../../../src/compile.ts'
import { silu } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { parse } from '../../../src/ir/parse.ts'
import { float32 } from '../../../src/ir/value.ts'
import { nn } from '../../../src/index.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const opsOf = (nodes: string, swish: SwishFusion): readonly string[] =>
  lowerGraph(parse(`graph g {\n${nodes}\n}`), 'f', { halfKernels: new Set(), swish })
    .functions.flatMap(({ nodeDef }) => nodeDef.map(({ op }) => op))
    .sort()

const swishOf = (shape: string): string =>
  `%x = input() {name="x"} : float32[${shape}]\n%y = silu(%x) : float32[${shape}]\nreturn y = %y`

describe('a swish', () => {
  const fused = ['Mul', 'Sigmoid']
  const apart = ['Mul', 'PlaceholderWithDefault', 'Sigmoid']
  test.each([
    ['2,3,3,4', 1, fused],
    ['2,3,3,4', 2, fused],
    ['2,3,3,4', 3, apart],
    ['1,3,3,4', 1, fused],
    ['1,3,3,4', 2, apart],
    ['1,4', 2, fused], // no image
  ])('of [%s], fused with %i images at least', (shape, imagesLeast, expected) =>
    expect(opsOf(swishOf(shape), { imagesLeast, recomputesSigmoid: true })).toEqual(expected),
  )

  test('is not fused where its gradient needs the sigmoid, unless that is computed a second time', () => {
    const withGradient = (of: string): string =>
      `%x = input() {name="x"} : float32[4,2]\n%d = input() {name="d"} : float32[4,2]
       %y = silu(%x) : float32[4,2]\n%g = siluGradient(%${of}, %x) : float32[4,2]\nreturn y = %y, g = %g`
    const gradient = ['AddV2', 'Mul', 'Sigmoid', 'SigmoidGrad']
    const sorted = (ops: readonly string[]): readonly string[] => [...ops, ...gradient].sort()
    expect(opsOf(withGradient('x'), { imagesLeast: 1, recomputesSigmoid: false })).toEqual(sorted(apart))
    expect(opsOf(withGradient('x'), { imagesLeast: 1, recomputesSigmoid: true })).toEqual(sorted(fused))
    expect(opsOf(withGradient('d'), { imagesLeast: 1, recomputesSigmoid: false })).toEqual(sorted(fused))
  })
})

tensorflowOrSkip('a convolution with bias and swish on TensorFlow', () => {
  test('gives the reference’s numbers with any number of images and threads', async () => {
    const net = graph('net', { x: float32('batch', 6, 6, 3) }, ({ x }) => ({
      y: silu(nn.conv2d(x, { name: 'conv', filters: 8, kernel: 1, bias: true })),
    }))
    const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => 4 * Math.sin(i))
    const outputs = async (backend: Backend | 'reference', batch: number) => {
      using ran = await compile(net, { backend, batch, seed: 1 })
      await ran.variables.set('conv/bias', numbers(8))
      return (await (await ran.run({ x: numbers(batch * 108) })).y.data()) as Float32Array
    }
    for (const batch of [1, 2, 3]) {
      const want = await outputs('reference', batch)
      for (const intraOpThreads of [1, 2]) {
        const got = await outputs(await createTensorflowBackend({ intraOpThreads }), batch)
        expect(got.length).toBe(want.length)
        got.forEach((y, i) => expect(Math.abs(y - (want[i] ?? Number.NaN))).toBeLessThan(1e-5))
      }
    }
  })
})
