/** Special numbers on TensorFlow: cases that failed before, and each known deviation. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { resultsOf, through } from '../../../src/backends/conformance.ts'
import { tensorflowDeviations } from '../../../src/backends/tensorflow/deviations.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { interpret } from '../../../src/ir/interpret.ts'
import { opNames } from '../../../src/ir/ops/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { expectClose } from '../../support/one-graph.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

interface Fed {
  readonly [input: string]: readonly number[]
}

tensorflowOrSkip('TensorFlow', () => {
  let backend: Backend
  beforeAll(async () => {
    backend = await createTensorflowBackend()
  })

  /** The output y of the graph, from TensorFlow and from the reference. */
  const both = async (text: string, inputs: Fed) => {
    const g = parse(`graph g {\n${text}\n  return y = ${text.includes('%y:2') ? '%y.1' : '%y'}\n}`)
    const got = (await resultsOf(backend, through(backend, backend.legalize, g), { inputs, variables: {} })).get('y')
    return {
      got: [...(got ?? [])],
      want: [...(interpret(g, { inputs, variables: new Map() }).outputs['y']?.data ?? [])],
    }
  }
  const expectEqual = async (text: string, inputs: Fed): Promise<void> => {
    const { got, want } = await both(text, inputs)
    expect(got).toEqual(want)
  }

  describe('is right', () => {
    // oneDNN caches kernels by their sizes, and confused this one with the convolution with a bias.
    test('depthwise, of one channel, after a convolution of the same sizes with a bias', async () => {
      const sizes = { x: new Array(12).fill(3), w: [2] }
      const operands = `%x = input() {name="x"} : float32[2,2,3,1]\n%w = input() {name="w"} : float32[1,1,1,1]`
      await expectEqual(
        `${operands}
         %c = conv2d(%x, %w) : float32[2,2,3,1]
         %b = constant() {value=[0.5]} : float32[1]
         %s = broadcast(%b) {axes=[3], shape=[2, 2, 3, 1]} : float32[2,2,3,1]
         %y = add(%c, %s) : float32[2,2,3,1]`,
        sizes,
      )
      await expectEqual(`${operands}\n%y = depthwiseConv2d(%x, %w) : float32[2,2,3,1]`, sizes)
    })

    test('argMax and topK of subnormal numbers and both zeros', async () => {
      const x = [0, 0, 1e-45, -1e-45, -0, 0, -1e-40, -1e-45, -1]
      const input = `%x = input() {name="x"} : float32[3,3]`
      await expectEqual(`${input}\n%y = argMax(%x) {axis=1} : int32[3]`, { x })
      await expectEqual(`${input}\n%y:2 = topK(%x) {k=1} : float32[3,1], int32[3,1]`, { x })
    })

    // TensorFlow read beyond the image, and the process crashed.
    test('a padded convolution of one tap with a bias and an activation', async () => {
      await expectEqual(
        `%x = input() {name="x"} : float32[1,1,1,1]\n%w = input() {name="w"} : float32[1,1,1,1]
         %c = conv2d(%x, %w) {padding=[[0, 0], [0, 40]]} : float32[1,1,41,1]
         %b = constant() {value=[0.5]} : float32[1]
         %s = broadcast(%b) {axes=[3], shape=[1, 1, 41, 1]} : float32[1,1,41,1]
         %a = add(%c, %s) : float32[1,1,41,1]
         %y = relu6(%a) : float32[1,1,41,1]`,
        { x: [2], w: [1.5] },
      )
    })

    test.each(['softmax', 'logSoftmax'])('%s of a line with NaN or infinities', async (op) => {
      const x = [1, 2, Infinity, Infinity, Infinity, 1, -Infinity, 0, 0, -Infinity, -Infinity, -Infinity, NaN, 1, 2]
      for (const axis of [1, 0]) {
        const text = `%x = input() {name="x"} : float32[5,3]\n%y = ${op}(%x) {axis=${axis}} : float32[5,3]`
        const { got, want } = await both(text, { x })
        expectClose(got, want, 1e-6)
      }
    })

    test('the gradient of a maximum goes to NaN rather than to infinities', async () => {
      const pool = `%x = input() {name="x"} : float32[1,1,4,1]\n%g = input() {name="g"} : float32[1,1,1,1]
        %y = maxPool2dGradient(%x, %g) {strides=[1, 4], window=[1, 4]} : float32[1,1,4,1]`
      for (const x of [
        [1, Infinity, NaN, 3],
        [NaN, Infinity, NaN, 3],
        [-Infinity, 3e38, Infinity, Infinity],
        [-Infinity, -Infinity, -Infinity, -Infinity],
      ])
        await expectEqual(pool, { x, g: [5] })
    })

    /** Rewrites that a graph optimizer must not apply: `x * 0 -> 0` is wrong for NaN, and `x / c -> x * (1 / c)` rounds twice. */
    const chains: readonly (readonly [string, string])[] = [
      ['x * 0', '%y = mul(%x, %zero) : T'],
      ['0 / x', '%y = div(%zero, %x) : T'],
      ['x / 3', '%y = div(%x, %three) : T'],
      ['x / x', '%y = div(%x, %x) : T'],
      ['x - x', '%y = sub(%x, %x) : T'],
      ['x + -x', '%z = neg(%x) : T\n%y = add(%x, %z) : T'],
      ['x * huge * huge', '%z = mul(%x, %huge) : T\n%y = mul(%z, %huge) : T'],
      ['x * huge / huge', '%z = mul(%x, %huge) : T\n%y = div(%z, %huge) : T'],
      ['x + huge - huge', '%z = add(%x, %huge) : T\n%y = sub(%z, %huge) : T'],
      [
        'x * huge - x * huge',
        '%z = mul(%x, %huge) : T\n%m = neg(%huge) : T\n%q = mul(%x, %m) : T\n%y = add(%z, %q) : T',
      ],
      ['sqrt(x * x)', '%z = mul(%x, %x) : T\n%y = sqrt(%z) : T'],
      ['min(max(x, 0), 3)', '%z = maximum(%x, %zero) : T\n%y = minimum(%z, %three) : T'],
      ['half and back', '%z = cast(%x) {to="float16"} : float16[12]\n%y = cast(%z) {to="float32"} : T'],
    ]
    // TensorFlow optimizes only functions of several nodes, so there is a second output.
    test.each(chains)('and changes no number of %s', async (_, chain) => {
      const constants = [
        ['zero', 0],
        ['three', 3],
        ['huge', 3e38],
      ].map(([name, value]) => `%${name} = constant() {value=${value}} : T`)
      const others = ['sin', 'cos', 'tanh', 'sin', 'cos'].map((op, i) => `%o${i + 1} = ${op}(%o${i}) : T`)
      const text = `graph g {
        %x = input() {name="x"} : T\n%o0 = input() {name="o"} : T\n${constants.join('\n')}\n${chain}\n${others.join('\n')}
        return y = %y, o = %o5\n}`.replaceAll(/\bT\b/g, 'float32[12]')
      const g = parse(text)
      const x = [NaN, Infinity, -Infinity, 0, -0, 1, -2.5, 3.3, 1e-30, 3e38, 7, 11]
      const inputs = { x, o: x.map((_v, i) => i) }
      const got = await resultsOf(backend, through(backend, backend.legalize, g), { inputs, variables: {} })
      const want = interpret(g, { inputs, variables: new Map() }).outputs['y']?.data ?? []
      expect([...(got.get('y') ?? [])].map(withoutSign)).toEqual([...want].map(withoutSign))
    })
  })

  describe('deviates only as listed', () => {
    test('lists existing ops, each with a reason', () => {
      expect(tensorflowDeviations.length).toBeGreaterThan(3)
      for (const { ops, when, instead, reason } of tensorflowDeviations) {
        expect(opNames).toEqual(expect.arrayContaining([...ops]))
        for (const text of [when, instead, reason]) expect(text.length).toBeGreaterThan(10)
      }
    })

    test('subnormal numbers are 0 in arithmetic; moves and float16 keep them', async () => {
      const of = (op: string, type = 'float32') => `%x = input() {name="x"} : ${type}[2]\n%y = ${op} : ${type}[2]`
      for (const op of ['add(%x, %x)', 'maximum(%x, %x)'])
        expect((await both(of(op), { x: [1e-40, 3e-39] })).got).toEqual([0, 0])
      expect((await both(of('add(%x, %x)', 'bfloat16'), { x: [2 ** -130, 2 ** -128] })).got).toEqual([0, 0])
      for (const op of ['neg(%x)', 'reverse(%x) {axes=[0]}']) await expectEqual(of(op), { x: [1e-40, 3e-45] })
      await expectEqual(of('add(%x, %x)', 'float16'), { x: [2 ** -24, 2 ** -20] })
      await expectEqual(of('mul(%x, %x)', 'float16'), { x: [2 ** -12, 2 ** -9] })
    })

    test('the largest number and +infinity in one window count as equal in the gradient of a maximum', async () => {
      const { got, want } = await both(
        `%x = input() {name="x"} : float32[1,1,3,1]\n%g = input() {name="g"} : float32[1,1,1,1]
         %y = maxPool2dGradient(%x, %g) {strides=[1, 3], window=[1, 3]} : float32[1,1,3,1]`,
        { x: [1, (2 - 2 ** -23) * 2 ** 127, Infinity], g: [5] },
      )
      expect([got, want]).toEqual([
        [0, 5, 0],
        [0, 0, 5],
      ])
    })

    test('zeros of the padding times infinity, where a dilated gradient is computed tap by tap', async () => {
      const gradient = (
        dilation: number,
      ) => `%g = input() {name="g"} : float32[1,4,4,1]\n%w = input() {name="w"} : float32[2,2,1,1]
         %y = conv2dInputGradient(%g, %w) {dilations=[${dilation}, ${dilation}], inputShape=[1, 4, 4, 1], padding="same"} : float32[1,4,4,1]`
      const inputs = { g: new Array(16).fill(1), w: [Infinity, 1, 1, 1] }
      await expectEqual(gradient(1), inputs)
      const { got, want } = await both(gradient(2), inputs)
      expect(want.filter(Number.isNaN)).toEqual([])
      got.forEach((value, i) => expect(Number.isNaN(value) || value === want[i]).toBe(true))
    })
  })
})

/** Replaces -0 by 0, which is equal. */
const withoutSign = (x: number): number => x + 0
