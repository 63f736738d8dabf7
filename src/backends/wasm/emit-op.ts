/** Emits ops. Each width, scalar and vector, has a table of the code of its ops. */
import { invariant } from '../../ir/diagnostics.ts'
import { type DType, isFloat } from '../../ir/types.ts'
import { floatOps } from './float-ops.ts'
import { type Half, roundVector } from './half.ts'
import { throughVectors } from './lanes.ts'
import { directionOf, type Emission, isRounded, type OpExpr, pushOperands } from './op-emission.ts'
import { scalarOps } from './scalar-ops.ts'
import { chain, type StackOp } from './stack-op.ts'
import { vectorOps } from './vector-ops.ts'

/** Puts the result of an op on the stack. */
export const emitOp = (expr: OpExpr, emission: Emission): void => {
  const from = pushOperands(expr, emission)
  codeOf(expr, from)(emission.f)
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
