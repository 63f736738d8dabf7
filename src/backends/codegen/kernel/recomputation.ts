/**
 * What it costs to compute an element again instead of reading it from memory. The unit is one instruction on a vector, of an op such as `add`, per
 * four elements. The figures are those of WebAssembly (wasm.md); only their order matters.
 */
import { invariant } from '../../../ir/diagnostics.ts'
import { elements, type Node, type Type } from '../../../ir/types.ts'
import type { HeroOp } from './hero.ts'
import type { ScalarOp } from './kernel.ts'

/** Ops that are many instructions: those with an exponential or the like, and those with a division or a square root. */
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

/** To write an element in one phase and read it in another. */
const costOfStore = 12
/** To begin one phase more: about half a microsecond. */
const costOfPhase = 2000

/**
 * Is a value worth a phase of its own? `evaluations`: how often an element is computed in all without one. `cost` of one evaluation, `size`: elements
 * of the value.
 */
export const isWorthStoring = (evaluations: number, cost: number, size: number): boolean =>
  (evaluations - size) * (cost - 1) > size * costOfStore + costOfPhase

/** Columns and rows of the tile of a matrix product: what a value of the left or right operand is used for once it is in a register. */
const [tileColumns, tileRows] = [8, 4]
const lanes = 4

/**
 * How often elements of an operand are computed for each element of the result, where they are not in memory. In a contraction that is once for a tile,
 * and an element of the left operand takes a whole vector. The left operand of a product of matrices, and of a 1x1 convolution, is computed once: a
 * block of rows is staged in scratch memory (loops/staging.ts), which was measured to cost 3 to 7 % where the inner loop would take 30 to 65 % more.
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
      // The first operand is read by the phase that finds the winners, once for each pixel of each window.
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

/** Is the operand staged: the left one, of rows that are read along their elements, where there are rows and columns for a tile? */
const isStaged = (operand: number, result: readonly number[], isRead: boolean): boolean => {
  const columns = result.at(-1) ?? 1
  return operand === 0 && isRead && columns >= lanes && elements(result) / columns > 1
}

const windowSize = ([height, width]: readonly [number, number]): number => height * width
