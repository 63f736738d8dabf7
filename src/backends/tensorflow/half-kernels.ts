/**
 * Finds out which contractions of half operands TensorFlow sums in float32 on a device. No document says it: it depends on the processor or the GPU, on
 * the versions of oneDNN and cuDNN, and on the op. So this file runs sums on the device whose results in half types would be wrong.
 */
import { roundTo } from '../../ir/rounding.ts'
import { nodesOf } from '../../ir/graph.ts'
import { elements, type Half, isHalf } from '../../ir/types.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import { attr } from './attributes.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure } from './errors.ts'
import { type Attrs, FunctionBuilder } from './function-builder.ts'
import type { TfOpName } from './tf-ops.ts'
import type { TfValue } from './types.ts'

export const contractionOps = [
  'MatMul',
  'BatchMatMulV2',
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv2DBackpropFilter',
  'DepthwiseConv2dNative',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
] as const satisfies readonly TfOpName[]
export type ContractionOp = (typeof contractionOps)[number]

/** Kernels that may have half operands and results: `Conv2D float16`. Operands of the others are widened to float32. */
export type HalfKernels = ReadonlySet<`${ContractionOp} ${Half}`>

/** An operand whose elements differ only along the axes that are summed. */
interface Operand {
  readonly shape: readonly number[]
  readonly summed: readonly number[]
}

interface Probe {
  readonly operands: readonly [Operand, Operand]
  readonly result: readonly number[]
  /** The position of the first complete sum in the result, and the number of complete sums; default: all elements. */
  readonly sums?: { readonly from: number; readonly count: number }
  /** True if the kernel reads the second operand backwards. */
  readonly isReversed?: boolean
  readonly inputs: (a: TfValue, b: TfValue, f: FunctionBuilder) => readonly TfValue[]
  readonly attrs: Attrs
}

/** The number of terms of each sum. A half type loses most digits of such a sum. As an image: */
const [height, width] = [16, 32]
const terms = height * width
/** The number of sums of each kind. It is large enough that TensorFlow takes the kernels of real sizes. */
const [many, channels] = [8, 16]

const convAttrs = {
  strides: attr.ints([1, 1, 1, 1]),
  dilations: attr.ints([1, 1, 1, 1]),
  padding: attr.string('VALID'),
  explicit_paddings: attr.ints([]),
  data_format: attr.string('NHWC'),
}
const image: Operand = { shape: [1, height, width, channels], summed: [1, 2] }
const window: Operand = { shape: [height, width, channels, 1], summed: [0, 1] }
const perChannel = [1, 1, channels, 1]
/** An image in which only the pixel in the middle has the whole window inside the image. */
const large = [1, 2 * height - 1, 2 * width - 1, channels]

const probes: { readonly [K in ContractionOp]: Probe } = {
  MatMul: {
    operands: [
      { shape: [many, terms], summed: [1] },
      { shape: [terms, channels], summed: [0] },
    ],
    result: [many, channels],
    inputs: (a, b) => [a, b],
    attrs: { transpose_a: attr.bool(false), transpose_b: attr.bool(false) },
  },
  BatchMatMulV2: {
    operands: [
      { shape: [2, many, terms], summed: [2] },
      { shape: [2, terms, channels], summed: [1] },
    ],
    result: [2, many, channels],
    inputs: (a, b) => [a, b],
    attrs: { adj_x: attr.bool(false), adj_y: attr.bool(false) },
  },
  Conv2D: {
    operands: [
      { shape: [1, 4, 4, terms], summed: [3] },
      { shape: [1, 1, terms, channels], summed: [2] },
    ],
    result: [1, 4, 4, channels],
    inputs: (x, kernel) => [x, kernel],
    attrs: { ...convAttrs, use_cudnn_on_gpu: attr.bool(true) },
  },
  Conv2DBackpropInput: {
    operands: [
      { shape: [1, 4, 4, terms], summed: [3] },
      { shape: [1, 1, channels, terms], summed: [3] },
    ],
    result: [1, 4, 4, channels],
    inputs: (dy, kernel, f) => [f.ints([1, 4, 4, channels]), kernel, dy],
    attrs: convAttrs,
  },
  Conv2DBackpropFilter: {
    operands: [image, image],
    result: [1, 1, channels, channels],
    inputs: (x, dy, f) => [x, f.ints([1, 1, channels, channels]), dy],
    attrs: convAttrs,
  },
  DepthwiseConv2dNative: {
    operands: [image, window],
    result: [1, 1, 1, channels],
    inputs: (x, kernel) => [x, kernel],
    attrs: convAttrs,
  },
  DepthwiseConv2dNativeBackpropInput: {
    operands: [image, window],
    result: large,
    sums: { from: ((height - 1) * (2 * width - 1) + width - 1) * channels, count: channels },
    isReversed: true,
    inputs: (dy, kernel, f) => [f.ints(large), kernel, dy],
    attrs: convAttrs,
  },
  DepthwiseConv2dNativeBackpropFilter: {
    operands: [image, image],
    result: perChannel,
    inputs: (x, dy, f) => [x, f.ints(perChannel), dy],
    attrs: convAttrs,
  },
}

/** Tests the kernels on the device of the context. Each takes some milliseconds. Kernels that TensorFlow does not have for the type are left out. */
export const findHalfKernels = async (context: TensorflowContext, dtype: Half): Promise<HalfKernels> => {
  const found = new Set<`${ContractionOp} ${Half}`>()
  for (const op of contractionOps) if (await sumsInFloat32(context, op, dtype)) found.add(`${op} ${dtype}`)
  return found
}

/** The kernels for the half types of a program. Each type is tested once, when the first program has it. */
export const halfKernelsOf = (context: TensorflowContext): ((program: Program) => Promise<HalfKernels>) => {
  // On CPUs the kernels for float16 are correct, but far slower than those for float32.
  const dtypes: readonly Half[] = context.isCpu ? ['bfloat16'] : ['bfloat16', 'float16']
  const known = new Map<Half, Promise<HalfKernels>>()
  return async (program) => {
    const all: ReadonlySet<`${ContractionOp} ${Half}`>[] = []
    const present = halfTypesIn(program)
    for (const dtype of dtypes.filter((given) => present.has(given))) {
      const found = known.get(dtype) ?? findHalfKernels(context, dtype)
      known.set(dtype, found)
      all.push(await found)
    }
    return new Set(all.flatMap((kernels) => [...kernels]))
  }
}

const halfTypesIn = (program: Program): ReadonlySet<Half> =>
  new Set(
    graphsOf(program)
      .flatMap((graph) => nodesOf(graph))
      .flatMap(({ types }) => types)
      .flatMap(({ dtype }) => (isHalf(dtype) ? [dtype] : [])),
  )

/** Is the sum correct, apart from the last rounding to the half type and from the rounding errors of float32? */
const sumsInFloat32 = async (context: TensorflowContext, op: ContractionOp, dtype: Half): Promise<boolean> => {
  const { operands, result, sums = { from: 0, count: elements(result) }, isReversed = false } = probes[op]
  const [a, b] = [numbers(dtype, 1), numbers(dtype, 2)]
  const products = a.map((x, i) => x * (b[isReversed ? terms - 1 - i : i] as number))
  const exact = products.reduce((sum, x) => sum + x, 0)
  const magnitude = products.reduce((sum, x) => sum + Math.abs(x), 0)
  const tolerance = Math.abs(exact) * (dtype === 'float16' ? 2 ** -11 : 2 ** -8) + magnitude * 2 ** -20
  const given = operands.map(({ shape, summed }, at) => spread(at === 0 ? a : b, shape, summed))
  const got = await computed(context, op, dtype, given)
  return got?.slice(sums.from, sums.from + sums.count).every((x) => Math.abs(x - exact) <= tolerance) ?? false
}

let functionCount = 0

/** Null if TensorFlow has no such kernel. */
const computed = async (
  context: TensorflowContext,
  op: ContractionOp,
  dtype: Half,
  given: readonly Float32Array<ArrayBuffer>[],
): Promise<(ArrayLike<number> & { slice(from: number, to: number): readonly number[] }) | null> => {
  const { operands, result, inputs, attrs } = probes[op]
  const f = new FunctionBuilder(`effuse_half_${functionCount++}`)
  const [a, b] = operands.map(({ shape }) => f.argument({ dtype, shape })) as [TfValue, TfValue] // two operands
  f.result(f.op(op, inputs(a, b, f), attrs, { dtype, shape: result }))
  const held: Pointer[] = []
  try {
    context.addFunction(f.finish())
    for (const [at, { shape }] of operands.entries())
      held.push(context.upload(given[at] as Float32Array<ArrayBuffer>, { dtype, shape }))
    const results = await context.call(f.name, held, 1)
    held.push(...results)
    return [...context.download(results[0] as Pointer, { dtype, shape: result })]
  } catch (error) {
    if (error instanceof TensorflowFailure) return null
    throw error
  } finally {
    for (const handle of held) context.free(handle)
    context.removeFunction(f.name)
  }
}

/** Numbers of the half type from -1 to 1. Their mean is 1/8, so the sum becomes larger than its terms. */
const numbers = (dtype: Half, seed: number): readonly number[] => {
  let state = seed
  return Array.from({ length: terms }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return roundTo(dtype, (state / 2 ** 31 - 1) * 0.875 + 0.125)
  })
}

const spread = (values: readonly number[], shape: readonly number[], summed: readonly number[]) => {
  const data = new Float32Array(elements(shape))
  data.forEach((_, at) => {
    let [rest, index, step] = [at, 0, 1]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] as number // an axis of it
      if (summed.includes(axis)) {
        index += (rest % size) * step
        step *= size
      }
      rest = Math.floor(rest / size)
    }
    data[at] = values[index] as number // the number of terms is the number of elements along the summed axes
  })
  return data
}
