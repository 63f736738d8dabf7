/**
 * Finds out whether TensorFlow fuses a grouped convolution with a bias and a swish, and whether it has a convolution that keeps its filter. Its kernels on
 * oneDNN do, those without oneDNN fail, and no function of the library tells which ones are used.
 */
import { attr } from './attributes.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure } from './errors.ts'
import { FunctionBuilder } from './function-builder.ts'
import { withKeptFilters } from './kept-filters.ts'
import type { KernelForms } from './lowering.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import type { TfValue } from './types.ts'

const float32 = (shape: readonly number[]) => ({ dtype: 'float32', shape }) as const

/** Two channels of 2 x 2 pixels, and a kernel [2, 2, 1, 2] that has the same weight for all pixels of a channel. */
const operands = [
  { type: float32([1, 2, 2, 2]), data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  { type: float32([2, 2, 1, 2]), data: Float32Array.of(0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5) },
  { type: float32([2]), data: Float32Array.of(-2, -7) },
] as const
const sums = [(1 + 3 + 5 + 7) * 0.25 - 2, (2 + 4 + 6 + 8) * 0.5 - 7]

type Abilities = Pick<KernelForms, 'groupsDepthwise' | 'keepsFilters'>

const results = new WeakMap<TensorflowContext, Promise<Abilities>>()

/** Runs a small function in both forms. A context runs it once. */
export const oneDnnAbilities = (context: TensorflowContext): Promise<Abilities> => {
  const known = results.get(context)
  if (known !== undefined) return known
  const found = trial(context)
  results.set(context, found)
  return found
}

const trial = async (context: TensorflowContext): Promise<Abilities> => {
  const plain = groupedSwish()
  const kept = withKeptFilters(plain, 'trial_of_kept_filter', new Set(['a1']))
  const groupsDepthwise = await isRight(plain, context)
  return { groupsDepthwise, keepsFilters: groupsDepthwise && kept !== null && (await isRight(kept, context)) }
}

const y = float32([1, 1, 1, 2])

/** The arguments are a0, a1, a2. */
const groupedSwish = (): FunctionDef => {
  const f = new FunctionBuilder('trial_of_grouped_swish')
  const [x, kernel, bias] = operands.map(({ type }) => f.argument(type)) as [TfValue, TfValue, TfValue] // one for each
  const attrs = {
    strides: attr.ints([1, 1, 1, 1]),
    dilations: attr.ints([1, 1, 1, 1]),
    padding: attr.string('VALID'),
    explicit_paddings: attr.ints([]),
    data_format: attr.string('NHWC'),
    use_cudnn_on_gpu: attr.bool(true),
  }
  const sum = f.op('BiasAdd', [f.op('Conv2D', [x, kernel], attrs, y), bias], { data_format: attr.string('NHWC') }, y)
  f.result(f.op('Mul', [sum, f.op('Sigmoid', [sum], {}, y)], {}, y))
  return f.finish()
}

const isRight = async (definition: FunctionDef, context: TensorflowContext): Promise<boolean> => {
  const name = definition.signature?.name as string // a function has one
  const handles: Pointer[] = []
  let isAdded = false
  try {
    context.addFunction(definition)
    isAdded = true
    for (const { data, type } of operands) handles.push(context.upload(data, type))
    handles.push(...(await context.call(name, handles, 1)))
    const found = context.download(handles.at(-1) as Pointer, y)
    return sums.every((s, i) => Math.abs((found[i] as number) - s / (1 + Math.exp(-s))) < 1e-5)
  } catch (error) {
    if (error instanceof TensorflowFailure) return false
    throw error
  } finally {
    for (const handle of handles) context.free(handle)
    if (isAdded) context.removeFunction(name)
  }
}
