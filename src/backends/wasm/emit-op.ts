/** Emits ops. Each width, scalar and vector, has a table of the code of its ops. */
import { invariant } from '../../ir/diagnostics.ts'
import { type DType, isFloat, type Half } from '../../ir/types.ts'
import type { LoopExpr } from '../codegen/loops/loops.ts'
import { floatOps } from './float-ops.ts'
import { roundVector } from './half.ts'
import { throughVectors } from './lanes.ts'
import { directionOf, type Emission, isRounded, type OpExpr, pushOperands } from './op-emission.ts'
import { scalarOps } from './scalar-ops.ts'
import { chain, type StackOp } from './stack-op.ts'
import { vectorOps } from './vector-ops.ts'

/** Puts the result of an op on the stack. */
export const emitOp = (expr: OpExpr, emission: Emission): void => {
  const factors = emission.f.relaxedSimd ? addedProduct(expr) : null
  if (factors !== null) {
    for (const factor of factors) emission.push(factor)
    emission.f.multiplyAdd(() => emission.push(expr.args[0] as LoopExpr)) // of a sum
    return
  }
  const from = pushOperands(expr, emission)
  codeOf(expr, from)(emission.f)
}

/**
 * The factors if the op adds a product to a float32 vector; otherwise null. Only accumulators contain such nested products: the operands of a graph's
 * ops are in registers, so each op of the graph is still rounded separately.
 */
const addedProduct = ({ op, dtype, lanes, args }: OpExpr): readonly LoopExpr[] | null => {
  const product = args[1]
  return op === 'add' && dtype === 'float32' && lanes === 4 && product?.kind === 'op' && product.op === 'mul'
    ? product.args
    : null
}

const codeOf = (expr: OpExpr, from: DType): StackOp => {
  const width = expr.lanes === 1 ? 'scalar' : 'vector'
  const table = expr.lanes === 1 ? scalarOps : vectorOps
  switch (expr.op) {
    case 'and':
    case 'or':
    case 'not':
    case 'select':
      return table[expr.op]
    case 'cast':
      return table.cast(from, expr.dtype)
    case 'compare':
      return table.compare(directionOf(expr), from)
    default: {
      const op = isFloat(from) ? floatOps[expr.op][width] : table.integers[expr.op]
      invariant(op !== undefined, () => `${expr.op} of ${from} does not exist`)
      return isRounded(expr) ? chain(op, rounding(expr.dtype as Half, width)) : op
    }
  }
}

const rounding = (half: Half, width: 'scalar' | 'vector'): StackOp =>
  width === 'scalar' ? throughVectors(roundVector[half]) : roundVector[half]
