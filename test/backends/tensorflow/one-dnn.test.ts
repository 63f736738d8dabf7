/** When a swish may be fused with the convolution before it, when a convolution becomes a product, and that all forms compute the same. */
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { lowerGraph } from '../../../src/backends/tensorflow/lower-graph.ts'
import { type KernelForms, plainForms } from '../../../src/backends/tensorflow/lowering.ts'
import type { NodeDef } from '../../../src/backends/tensorflow/proto/tensorflow_pb.ts'
import { compile } from '../../../src/compile.ts'
import { add, div, relu, relu6, silu, sub } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { parse } from '../../../src/ir/parse.ts'
import { float32, type Value } from '../../../src/ir/value.ts'
import { nn } from '../../../src/index.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const nodesOf = (nodes: string, forms: Partial<KernelForms>): readonly NodeDef[] =>
  lowerGraph(parse(`graph g {\n${nodes}\n}`), 'f', {
    halfKernels: new Set(),
    forms: { ...plainForms, ...forms },
  }).functions.flatMap(({ nodeDef }) => nodeDef)

const opsOf = (nodes: string, forms: Partial<KernelForms>): readonly string[] =>
  nodesOf(nodes, forms)
    .map(({ op }) => op)
    .sort()

const swishOf = (shape: string): string =>
  `%x = input() {name="x"} : float32[${shape}]\n%y = silu(%x) : float32[${shape}]\nreturn y = %y`

describe('a swish', () => {
  const fused = ['Mul', 'Sigmoid']
  /** TensorFlow's names of the operands of the product and of the sigmoid. */
  const operands = (nodes: string, swish: KernelForms['swish']): readonly string[] =>
    nodesOf(nodes, { swish }).flatMap(({ op, input }) =>
      op === 'Mul' ? input.slice(0, 1) : op === 'Sigmoid' ? input : [],
    )
  const apart = ['Mul', 'PlaceholderWithDefault', 'Sigmoid']
  test.each([
    ['2,3,3,4', 1, fused],
    ['2,3,3,4', 2, fused],
    ['2,3,3,4', 3, apart],
    ['1,3,3,4', 1, fused],
    ['1,3,3,4', 2, apart],
    ['1,4', 2, fused], // no image
  ])('of [%s], fused with %i images at least', (shape, imagesLeast, expected) =>
    expect(opsOf(swishOf(shape), { swish: { imagesLeast, recomputesSigmoid: true } })).toEqual(expected),
  )

  test('of few images is separated from the convolution, but its two ops may be fused', () => {
    const few = operands(swishOf('2,3,3,4'), { imagesLeast: 3, recomputesSigmoid: true })
    expect(few).toEqual(['n1/0:output:0', 'n1/0:output:0']) // of the PlaceholderWithDefault
    const many = operands(swishOf('2,3,3,4'), { imagesLeast: 2, recomputesSigmoid: true })
    expect(many).toEqual(['a0', 'a0'])
  })

  test('is not fused where its gradient needs the sigmoid, unless that is computed a second time', () => {
    const withGradient = (of: string): string =>
      `%x = input() {name="x"} : float32[4,2]\n%d = input() {name="d"} : float32[4,2]
       %y = silu(%x) : float32[4,2]\n%g = siluGradient(%${of}, %x) : float32[4,2]\nreturn y = %y, g = %g`
    const gradient = ['AddV2', 'Mul', 'Sigmoid', 'SigmoidGrad']
    const sorted = (ops: readonly string[]): readonly string[] => [...ops, ...gradient].sort()
    expect(opsOf(withGradient('x'), { swish: { imagesLeast: 1, recomputesSigmoid: false } })).toEqual(sorted(apart))
    expect(opsOf(withGradient('x'), { swish: { imagesLeast: 1, recomputesSigmoid: true } })).toEqual(sorted(fused))
    expect(opsOf(withGradient('d'), { swish: { imagesLeast: 1, recomputesSigmoid: false } })).toEqual(sorted(fused))
  })
})

describe('a convolution with a kernel of 1 x 1', () => {
  const conv = (image: string, kernel: string, output: string, attrs = 'padding="valid", strides=[1,1]'): string =>
    `%x = input() {name="x"} : float32[${image}]\n%w = variable() {name="w"} : float32[${kernel}]
     %y = conv2d(%x, %w) {${attrs}} : float32[${output}]\nreturn y = %y`
  const few = conv('1,3,3,4', '1,1,4,2', '1,3,3,2')
  const many = conv('2,3,3,4', '1,1,4,2', '2,3,3,2')
  const pixel = conv('2,1,1,4', '1,1,4,2', '2,1,1,2')
  const wide = conv('1,3,3,4', '3,3,4,2', '1,1,1,2')
  const strided = conv('1,3,3,4', '1,1,4,2', '1,2,2,2', 'padding="valid", strides=[2,2]')
  const update = few.replace('return', 'update %w = %w\nreturn')
  const [product, convolution] = [['Const', 'Const', 'Const', 'MatMul', 'Reshape', 'Reshape', 'Reshape'], ['Conv2D']]
  test.each([
    ['one image', few, { imagesBelow: 2, singlePixels: false }, product],
    ['one image, and products are off', few, { imagesBelow: 1, singlePixels: true }, convolution],
    ['two images', many, { imagesBelow: 2, singlePixels: true }, convolution],
    ['two images of one pixel', pixel, { imagesBelow: 0, singlePixels: true }, product],
    ['two images of one pixel, and products are off', pixel, { imagesBelow: 0, singlePixels: false }, convolution],
    ['a larger kernel', wide, { imagesBelow: 2, singlePixels: true }, convolution],
    ['a stride', strided, { imagesBelow: 2, singlePixels: true }, convolution],
    ['updates', update, { imagesBelow: 2, singlePixels: true }, convolution],
  ] as const)('%s', (_, nodes, products, expected) => expect(opsOf(nodes, { products })).toEqual(expected))

  test('passes the matrix itself to the bias and the activation', () => {
    const nodes = `%x = input() {name="x"} : float32[1,3,3,4]\n%w = variable() {name="w"} : float32[1,1,4,2]
      %b = variable() {name="b"} : float32[2]\n%y = conv2d(%x, %w) {padding="valid", strides=[1,1]} : float32[1,3,3,2]
      %c = broadcast(%b) {axes=[3], shape=[1,3,3,2]} : float32[1,3,3,2]\n%s = add(%y, %c) : float32[1,3,3,2]
      %r = relu6(%s) : float32[1,3,3,2]\nreturn y = %r`
    const lowered = nodesOf(nodes, { products: { imagesBelow: 2, singlePixels: false } })
    const feeding = (op: string): string | undefined => {
      const [operand] = lowered.find((node) => node.op === op)?.input ?? []
      return lowered.find(({ name }) => operand?.startsWith(`${name}:`))?.op
    }
    expect([feeding('BiasAdd'), feeding('Relu6')]).toEqual(['MatMul', 'BiasAdd'])
  })
})

describe('a depthwise convolution', () => {
  const depthwise = (more = ''): string =>
    `%x = input() {name="x"} : float32[2,5,5,3]\n%w = variable() {name="w"} : float32[3,3,3,1]
     %y = depthwiseConv2d(%x, %w) {padding="same", strides=[1,1]} : float32[2,5,5,3]\n${more}return y = %y`
  test.each([
    ['is a grouped one', depthwise(), true, ['Const', 'Conv2D', 'Reshape']],
    ['stays one where that is not faster', depthwise(), false, ['DepthwiseConv2dNative']],
    ['stays one where the graph has updates', depthwise('update %w = %w\n'), true, ['DepthwiseConv2dNative']],
  ] as const)('%s', (_, nodes, groupsDepthwise, expected) =>
    expect(opsOf(nodes, { groupsDepthwise })).toEqual(expected),
  )
})

describe('a tensor that is added to a convolution with a bias', () => {
  const sum = (operands: string): string =>
    `%x = input() {name="x"} : float32[2,3,3,4]\n%w = variable() {name="w"} : float32[1,1,4,4]
     %b = variable() {name="b"} : float32[4]\n%c = conv2d(%x, %w) {padding="valid", strides=[1,1]} : float32[2,3,3,4]
     %r = broadcast(%b) {axes=[3], shape=[2,3,3,4]} : float32[2,3,3,4]\n%s = add(%c, %r) : float32[2,3,3,4]
     %y = add(${operands}) : float32[2,3,3,4]\nreturn y = %y`
  const sums = (operands: string): readonly string[] => opsOf(sum(operands), {}).filter((op) => op.includes('Add'))
  test.each(['%s, %x', '%x, %s'])('is added by an op that TensorFlow fuses: %s', (operands) =>
    expect(sums(operands)).toEqual(['AddN', 'BiasAdd']),
  )
  test('not without the bias, or if it is a vector', () => {
    expect(sums('%c, %x')).toEqual(['AddV2'])
    expect(sums('%s, %r')).toEqual(['AddV2', 'BiasAdd'])
  })
})

describe('an elementwise op with a vector of few channels', () => {
  const product = (shape: string, channels: number, operands = '%x, %r'): string =>
    `%x = input() {name="x"} : float32[${shape}]\n%v = variable() {name="v"} : float32[${channels}]
     %r = broadcast(%v) {axes=[3], shape=[${shape}]} : float32[${shape}]
     %y = sub(${operands}) : float32[${shape}]\nreturn y = %y`
  /** The shape of the vector that the op gets. */
  const isRepeated = (nodes: string, repeatsVectors = true): boolean =>
    opsOf(nodes, { repeatsVectors }).includes('BroadcastTo')

  test.each(['%x, %r', '%r, %x'])('repeats it along the rows: sub(%s)', (operands) => {
    const lowered = nodesOf(product('2,64,64,3', 3, operands), { repeatsVectors: true })
    const [sub] = lowered.filter(({ op }) => op === 'Sub')
    const sources = sub?.input.map((input) => lowered.find(({ name }) => input.startsWith(`${name}:`))?.input[0])
    const repeated = expect.stringMatching(/^n3\//)
    expect(sources).toEqual(operands === '%x, %r' ? ['a0', repeated] : [repeated, 'a0'])
  })

  test('not with many channels, few elements, rows of one pixel, or where that is not faster', () => {
    expect(isRepeated(product('2,64,64,3', 3))).toBe(true)
    expect(isRepeated(product('2,64,64,3', 3), false)).toBe(false)
    expect(isRepeated(product('2,64,64,16', 16))).toBe(false)
    expect(isRepeated(product('2,8,8,3', 3))).toBe(false)
    expect(isRepeated(product('2,8192,1,3', 3))).toBe(false)
  })
})

tensorflowOrSkip('convolutions with kernels of 1 x 1 on TensorFlow', () => {
  const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(i))
  const layer = (x: Value<'float32', 4>, name: string, filters: number) =>
    nn.conv2d(x, { name, filters, kernel: 1, bias: true })
  const net = graph('net', { x: float32('batch', 5, 5, 3) }, ({ x }) => {
    const wide = silu(layer(x, 'expand', 8))
    const narrow = layer(nn.squeezeExcite(wide, { name: 'se', reduced: 2, activation: relu }), 'project', 3)
    return {
      y: add(narrow, x),
      clamped: relu6(layer(narrow, 'clamped', 5)),
      strided: nn.conv2d(narrow, { name: 'strided', filters: 4, kernel: 1, strides: 2, bias: true }),
    }
  })

  test('give the reference’s numbers with any number of images and threads', async () => {
    const outputs = async (backend: Backend | 'reference', batch: number) => {
      using ran = await compile(net, { backend, batch, seed: 1 })
      for (const name of ran.variables.names())
        if (name.endsWith('/bias')) await ran.variables.set(name, numbers((await ran.variables.get(name)).length))
      const results = await ran.run({ x: numbers(batch * 75) })
      return Promise.all(
        [results.y, results.clamped, results.strided].map(async (y) => (await y.data()) as Float32Array),
      )
    }
    for (const batch of [1, 2, 3]) {
      const want = (await outputs('reference', batch)).flatMap((y) => [...y])
      expect(want.length).toBe(batch * (75 + 125 + 36))
      for (const intraOpThreads of [1, 2, 4]) {
        const got = (await outputs(await createTensorflowBackend({ intraOpThreads }), batch)).flatMap((y) => [...y])
        expect(got.length).toBe(want.length)
        got.forEach((y, i) => expect(Math.abs(y - (want[i] ?? Number.NaN))).toBeLessThan(1e-5))
      }
    }
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

tensorflowOrSkip('the forms for kernels on TensorFlow', () => {
  const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(i))

  test('give the reference’s numbers', async () => {
    const shapes = { x: float32('batch', 24, 160, 3), mean: float32(3), deviation: float32(3) }
    const net = graph('net', shapes, ({ x, mean, deviation }) => {
      const scaled = div(sub(x, mean), deviation)
      const wide = nn.depthwiseConv2d(scaled, { name: 'depthwise', kernel: 3, bias: true })
      const narrow = nn.conv2d(silu(wide), { name: 'project', filters: 3, kernel: 1, bias: true })
      const sum = add(scaled, narrow)
      return {
        sum,
        again: add(nn.conv2d(sum, { name: 'again', filters: 3, kernel: 3, bias: true }), sum),
        twice: add(narrow, narrow),
        strided: silu(nn.depthwiseConv2d(sum, { name: 'strided', kernel: 5, strides: 2, bias: true })),
      }
    })
    const outputs = async (backend: 'tensorflow' | 'reference', batch: number) => {
      using ran = await compile(net, { backend, batch, seed: 1 })
      for (const name of ran.variables.names())
        if (name.endsWith('/bias')) await ran.variables.set(name, numbers((await ran.variables.get(name)).length))
      const channels = { mean: Float32Array.of(0.5, -0.25, 1), deviation: Float32Array.of(0.5, 2, 4) }
      const results = await ran.run({ x: numbers(batch * 11520), ...channels })
      return Promise.all(
        [results.sum, results.again, results.twice, results.strided].map(async (y) => (await y.data()) as Float32Array),
      )
    }
    for (const batch of [1, 4]) {
      const want = (await outputs('reference', batch)).flatMap((y) => [...y])
      const got = (await outputs('tensorflow', batch)).flatMap((y) => [...y])
      expect(got.length).toBe(want.length)
      got.forEach((y, i) => expect(Math.abs(y - (want[i] ?? Number.NaN))).toBeLessThan(1e-5))
    }
  })
})
