import type { LoopExpr } from './loops.ts'

/** The direct parts of an expression. */
export const partsOf = (expr: LoopExpr): readonly LoopExpr[] => {
  switch (expr.kind) {
    case 'op':
    case 'position':
      return expr.args
    case 'lanes':
      return expr.of
    case 'splat':
      return [expr.of]
    case 'load':
    case 'random':
      return [expr.at]
    default:
      return []
  }
}
