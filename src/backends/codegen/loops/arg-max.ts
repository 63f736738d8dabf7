/** The condition under which argmax takes a term. */
import { int, position } from './bindings.ts'
import type { LoopExpr } from './loops.ts'

/** Does the term become the winner: it is the first one, it is larger, or it is the first NaN. */
export const isTaken = (term: LoopExpr, best: number, winner: number): LoopExpr => {
  const most: LoopExpr = { kind: 'register', register: best }
  const isFirst = position('eq', { kind: 'register', register: winner }, int(-1))
  const isFirstNan = flagOp('and', {}, compared('ne', term, term), compared('eq', most, most))
  return flagOp('or', {}, isFirst, flagOp('or', {}, compared('gt', term, most), isFirstNan))
}

const flagOp = (op: 'and' | 'or' | 'compare', attrs: object, a: LoopExpr, b: LoopExpr): LoopExpr => ({
  kind: 'op',
  op,
  attrs: attrs as Extract<LoopExpr, { kind: 'op' }>['attrs'],
  args: [a, b],
  dtype: 'bool',
  lanes: 1,
})

const compared = (direction: 'gt' | 'ne' | 'eq', a: LoopExpr, b: LoopExpr): LoopExpr =>
  flagOp('compare', { direction }, a, b)
