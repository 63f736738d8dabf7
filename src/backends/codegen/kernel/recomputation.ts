/**
 * Cost model: is it cheaper to recompute an element, or to store it and read it? The unit is one vector instruction of an op such as `add`, which
 * computes four elements. The figures were measured on WebAssembly. Only their order of magnitude matters.
 */
import { invariant } from '../../../ir/diagnostics.ts'
import { elements, type Node, type Type } from '../../../ir/types.ts'
import type { HeroOp } from './hero.ts'
import type { ScalarOp } from './kernel.ts'

/** Ops that take many instructions: those with an exponential or similar, and those with a division or a square root. */
const costs: { readonly [K in ScalarOp]?: number } = {
  exp: 8,
  expm1: 10,
  log: 10,
  log1p: 10,
  tanh: 10,
  erf: 16,
  sigmoid: 10,
  softplus: 16,
  elu: 10,
  selu: 10,
  sin: 16,
  cos: 16,
  pow: 24,
  remainder: 16,
  div: 4,
  sqrt: 4,
  rsqrt: 6,
  reciprocal: 4,
  cast: 2,
}

export const costOf = (op: ScalarOp): number => costs[op] ?? 1

/** Writing an element in one phase and reading it in another. */
const costOfStore = 12
/** Executing one more phase: about half a microsecond. */
const costOfPhase = 2000

/**
 * Should a value have a phase of its own? `evaluations`: how many elements are computed in total without it. `cost`: the cost of one evaluation.
 * `size`: the number of elements of the value.
 */
export const isWorthStoring = (evaluations: number, cost: number, size: number): boolean =>
  (evaluations - size) * (cost - 1) > size * costOfStore + costOfPhase

/** The tile of a matrix product. An element of the left operand is used for all columns of the tile, an element of the right operand for all rows. */
const [tileColumns, tileRows] = [8, 4]
const lanes = 4

/**
 * How many operand elements are computed for each element of the result, if the operand is not stored. A contraction computes them once per tile, and
 * an element of the left operand takes a whole vector. The left operand of a matrix product or of a 1x1 convolution is computed once, because a block
 * of rows is staged in scratch memory (loops/staging.ts). Measured: staging costs 3 to 7 %; recomputation in the inner loop would cost 30 to 65 %.
 */
export const evaluationsPerResult = (node: Node<HeroOp>, operand: number, operands: readonly Type[]): number => {
  const [result] = node.types
  const input = operands[operand]
  invariant(result !== undefined && input !== undefined, () => `${node.op} has no operand ${operand}`)
  const { shape } = result
  const columns = Math.min(shape.at(-1) ?? 1, tileColumns)
  const share = operand === 0 ? lanes / columns : 1 / Math.min(tileRows, elements(shape) / (shape.at(-1) ?? 1))
  switch (node.op) {
    case 'matmul':
      return isStaged(operand, shape, !node.attrs.transposeA)
        ? elements(input.shape) / elements(shape)
        : share * ((operands[0] as Type).shape.at(node.attrs.transposeA ? -2 : -1) as number)
    case 'conv2d': {
      const [, filter] = operands as readonly [Type, Type]
      if (isStaged(operand, shape, elements(filter.shape.slice(0, 2)) === 1))
        return elements(input.shape) / elements(shape)
      return (share * elements(filter.shape)) / (filter.shape.at(-1) as number)
    }
    case 'conv2dInputGradient': {
      const [, filter] = operands as readonly [Type, Type]
      return (share * elements(filter.shape)) / (filter.shape.at(-2) as number)
    }
    case 'conv2dFilterGradient':
    case 'depthwiseConv2dFilterGradient': {
      const gradient = (operands[1] as Type).shape
      return share * elements(gradient.slice(0, 3))
    }
    case 'depthwiseConv2d':
    case 'depthwiseConv2dInputGradient':
      return elements((operands[1] as Type).shape.slice(0, 2))
    case 'maxPool2d':
    case 'avgPool2d':
      return windowSize(node.attrs.window)
    case 'maxPool2dGradient':
      // The phase that finds the maxima reads the first operand once for each pixel of each window.
      return (
        windowSize(node.attrs.window) * (operand === 0 ? elements((operands[1] as Type).shape) / elements(shape) : 1)
      )
    case 'avgPool2dGradient':
      return elements(input.shape) / elements(shape)
    case 'topK':
      return (input.shape.at(-1) as number) ** 2 / (shape.at(-1) as number)
    default:
      return elements(input.shape) / elements(shape)
  }
}

/** Is the operand staged? It must be the left one, it must be read along its rows, and the result must have enough rows and columns for a tile. */
const isStaged = (operand: number, result: readonly number[], isRead: boolean): boolean => {
  const columns = result.at(-1) ?? 1
  return operand === 0 && isRead && columns >= lanes && elements(result) / columns > 1
}

const windowSize = ([height, width]: readonly [number, number]): number => height * width
