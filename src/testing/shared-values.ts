/**
 * Graphs in which contractions share their operands. They use each value many times: through reshapes, transposes and transposing products, as left
 * and as right operand of several shapes, by two programs over one store, before and after its variable changes. They find backends that cache data
 * of an operand (packed weights) and use it with another shape, other attributes or another value.
 */
import { type Arbitrary, fc } from './fast-check.ts'
import { Builder } from '../ir/build.ts'
import { invariant } from '../ir/diagnostics.ts'
import { opDef } from '../ir/ops/index.ts'
import type { ContractionOps, ConvAttrs } from '../ir/signatures.ts'
import { elements, type Type } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { moderate } from './arbitraries.ts'
import type { Trial } from './trial.ts'

/** One use of two values, and numbers that determine shapes, views and attributes. */
type Use = readonly [left: number, right: number, draws: readonly number[]]

const sizes = { x: 12, z: 8, w: 12 } as const
/** Larger results become outputs only, and are not used again. */
const reusedMax = 64

export const sharedTrials = (op: keyof ContractionOps): Arbitrary<Trial> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(7), fc.nat(7), fc.array(fc.nat(11), { minLength: 12, maxLength: 12 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.array(fc.tuple(numbers(sizes.x), numbers(sizes.z), numbers(sizes.w)), { minLength: 1, maxLength: 2 }),
    )
    .map(([uses, values]) => ({
      op,
      graphs: [graphOf(op, uses, 'forwards'), graphOf(op, uses, 'backwards')],
      rounds: values.map(([x, z, w]) => ({ inputs: { x, z }, variables: { w } })),
      isFused: true,
    }))

const numbers = (length: number): Arbitrary<number[]> =>
  fc.array(moderate(-2, 2), { minLength: length, maxLength: length })

/** The uses in order, each also with exchanged operands; the second program has them in reverse order. */
const graphOf = (op: keyof ContractionOps, uses: readonly Use[], order: 'forwards' | 'backwards') => {
  const b = new Builder(order)
  const values: Value[] = [
    b.input('x', { dtype: 'float32', shape: [sizes.x] }),
    b.input('z', { dtype: 'float32', shape: [sizes.z] }),
    b.variable('w', { shape: [sizes.w], dtype: 'float32' }),
  ]
  const results: Value[] = []
  const ordered = order === 'forwards' ? uses : uses.toReversed()
  for (const [left, right, draws] of ordered) {
    const [p, q] = [values[left % values.length], values[right % values.length]] as [Value, Value] // never empty
    for (const [a, c, rest] of [
      [p, q, draws],
      [q, p, draws.toReversed()],
      [p, q, draws.toReversed()],
    ] as const) {
      const y = contractions[op](b, a, c, new Draws(rest))
      results.push(y)
      if (elements(y.shape) <= reusedMax) values.push(y)
    }
  }
  return b.finish(Object.fromEntries(results.map((y, i) => [`y${i}`, y])))
}

/** Takes numbers one by one. */
class Draws {
  readonly #numbers: readonly number[]
  #at = 0
  constructor(given: readonly number[]) {
    this.#numbers = given
  }
  below(limit: number): number {
    return (this.#numbers[this.#at++ % this.#numbers.length] ?? 0) % limit
  }
  divisorOf(size: number, max = size): number {
    const divisors = Array.from({ length: Math.min(size, max) }, (_, i) => i + 1).filter((d) => size % d === 0)
    return divisors[this.below(divisors.length)] ?? 1
  }
  isHeads(): boolean {
    return this.below(2) === 1
  }
}

/** Views the value in another shape with as many elements: by a reshape, or with its elements in another order. */
const view = (b: Builder, x: Value, shape: readonly number[], draws: Draws): Value => {
  if (!draws.isHeads()) return b.reshape(x, shape)
  const back = shape.map((_, axis) => shape.length - 1 - axis)
  return b.transpose(b.reshape(x, shape.toReversed()), back)
}

/** Takes `size` elements of the value: all, or its first ones, or the value repeated. */
const sized = (b: Builder, x: Value, size: number): Value => {
  const flat = b.reshape(x, [elements(x.shape)])
  const times = Math.ceil(size / elements(x.shape))
  const long =
    times === 1
      ? flat
      : b.concatenate(
          Array.from({ length: times }, () => flat),
          0,
        )
  return elements(long.shape) === size ? long : b.slice(long, [0], [size])
}

type Contraction = (b: Builder, left: Value, right: Value, draws: Draws) => Value

const matmul: Contraction = (b, left, right, draws) => {
  const size = elements(right.shape)
  const k = draws.divisorOf(size)
  const n = size / k
  const m = Math.max(1, Math.min(6, Math.floor(elements(left.shape) / k)))
  const [transposeA, transposeB] = [draws.isHeads(), draws.isHeads()]
  const a = view(b, sized(b, left, m * k), transposeA ? [k, m] : [m, k], draws)
  return b.matmul(a, view(b, right, transposeB ? [n, k] : [k, n], draws), { transposeA, transposeB })
}

interface Geometry {
  readonly x: Type
  readonly kernel: Type
  readonly y: Type
  readonly attrs: ConvAttrs
}

/** A convolution whose kernel has `size` elements. */
const withKernel = (op: 'conv2d' | 'depthwiseConv2d', size: number, draws: Draws): Geometry => {
  const height = draws.divisorOf(size, 3)
  const width = draws.divisorOf(size / height, 3)
  const rest = size / height / width
  const channels = op === 'conv2d' ? draws.divisorOf(rest, 8) : rest
  const kernel = [height, width, channels, op === 'conv2d' ? rest / channels : 1]
  return geometry(op, [1, height + draws.below(2), width + draws.below(3), channels], kernel, draws)
}

const geometry = (
  op: 'conv2d' | 'depthwiseConv2d',
  x: readonly number[],
  kernel: readonly number[],
  draws: Draws,
): Geometry => {
  const attrs: ConvAttrs = {
    strides: [1 + draws.below(2), 1],
    padding: draws.isHeads() ? 'same' : 'valid',
    dilations: [1, 1],
    resultDtype: null,
  }
  const operands = [
    { dtype: 'float32', shape: x },
    { dtype: 'float32', shape: kernel },
  ] as const
  const types = opDef(op).infer(operands, attrs, [])
  invariant(typeof types !== 'string', () => `the window does not fit: ${String(types)}`)
  return { x: operands[0], kernel: operands[1], y: types[0] as Type, attrs }
}

const forward =
  (op: 'conv2d' | 'depthwiseConv2d'): Contraction =>
  (b, left, right, draws) => {
    const { x, kernel, attrs } = withKernel(op, elements(right.shape), draws)
    const image = view(b, sized(b, left, elements(x.shape)), x.shape, draws)
    return b.emit1(op, [image, view(b, right, kernel.shape, draws)], attrs)
  }

const inputGradient =
  (op: 'conv2d' | 'depthwiseConv2d'): Contraction =>
  (b, left, right, draws) => {
    const { x, kernel, y, attrs } = withKernel(op, elements(right.shape), draws)
    const dy = view(b, sized(b, left, elements(y.shape)), y.shape, draws)
    const operands = [dy, view(b, right, kernel.shape, draws)] as const
    return b.emit1(`${op}InputGradient`, operands, { ...attrs, inputShape: x.shape })
  }

/** The shared value on the right is dy, the matrix that multiplies the patches. */
const filterGradient =
  (op: 'conv2d' | 'depthwiseConv2d'): Contraction =>
  (b, left, right, draws) => {
    const size = elements(right.shape)
    const filters = draws.divisorOf(size, 8)
    const height = draws.divisorOf(size / filters, 4)
    const width = size / filters / height
    const [channels, window] = [op === 'conv2d' ? 1 + draws.below(3) : filters, 1 + draws.below(2)]
    const kernel = [window, window, channels, op === 'conv2d' ? filters : 1]
    const { x, y, attrs } = geometry(op, [1, height, width, channels], kernel, new Draws([0, 1]))
    const image = view(b, sized(b, left, elements(x.shape)), x.shape, draws)
    return b.emit1(`${op}FilterGradient`, [image, view(b, right, y.shape, draws)], { ...attrs, filterShape: kernel })
  }

const contractions: { readonly [K in keyof ContractionOps]: Contraction } = {
  matmul,
  conv2d: forward('conv2d'),
  conv2dInputGradient: inputGradient('conv2d'),
  conv2dFilterGradient: filterGradient('conv2d'),
  depthwiseConv2d: forward('depthwiseConv2d'),
  depthwiseConv2dInputGradient: inputGradient('depthwiseConv2d'),
  depthwiseConv2dFilterGradient: filterGradient('depthwiseConv2d'),
}
