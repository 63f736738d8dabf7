/** Predicates on the nodes and values of a graph, for the planning of phases. */
import { invariant } from '../../../ir/diagnostics.ts'
import { elementwiseOps } from '../../../ir/ops/elementwise/index.ts'
import { elements, type Node, sameShape, type Type } from '../../../ir/types.ts'
import type { HeroOp } from './hero.ts'
import { heroes } from './heroes.ts'
import type { ScalarOp } from './kernel.ts'
import { isCleanReshape } from './reshape.ts'

export const typeAt = (node: Node, port: number): Type => {
  const type = node.types[port]
  invariant(type !== undefined, () => `${node.op} has no result ${port}`)
  return type
}

export const isHero = (node: Node): node is Node<HeroOp> => Object.hasOwn(heroes, node.op)
export const isElementwise = (node: Node): node is Node<ScalarOp> => Object.hasOwn(elementwiseOps, node.op)
/** Is the node an operand in a buffer, or a constant? */
export const isLeaf = (node: Node): boolean => ['input', 'variable', 'constant'].includes(node.op)
/** Must each element be computed exactly once? */
export const isExpensive = (node: Node): boolean => isHero(node) || node.op === 'randomUniform'

/**
 * Reductions without a product. Other heroes (sums of products, and pools) are heavy: a phase has at most one heavy hero, since that hero determines
 * the best loop order.
 */
const reductions = ['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd', 'reduceAll', 'reduceAny', 'argMax', 'topK']
export const isHeavy = (node: Node): boolean => isHero(node) && !reductions.includes(node.op)

/**
 * How a node reads an operand. `point`: each element of the result reads the element at the same coordinates. `moved`: each operand element is read
 * at most once, at integer coordinates. `inner`: any other access.
 */
export type Access = 'point' | 'moved' | 'inner'

export const accessOf = (node: Node, operand: Type): Access => {
  const { shape } = typeAt(node, 0)
  if (isElementwise(node)) return sameShape(shape, operand.shape) ? 'point' : 'inner'
  switch (node.op) {
    case 'transpose':
    case 'reverse':
    case 'slice':
      return 'moved'
    case 'reshape':
      return isCleanReshape(operand.shape, shape) ? 'moved' : 'inner'
    case 'broadcast':
      return elements(shape) === elements(operand.shape) ? 'moved' : 'inner'
    default:
      return 'inner'
  }
}

export const joined = (outer: Access, inner: Access): Access =>
  outer === 'inner' || inner === 'inner' ? 'inner' : outer === 'moved' || inner === 'moved' ? 'moved' : 'point'
