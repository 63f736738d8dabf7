import { elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { isFloat, showType } from '../../types.ts'
import { mapUnary } from './shared.ts'

export const isFiniteDoc: OpDoc = {
  summary: 'True where x is neither NaN nor infinite.',
  constraints: ['C1: a float operand'],
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = isFinite(%0) : bool[3]
  return y = %1
}`,
}

// biome-ignore lint/suspicious/noShadowRestrictedNames: the op's name, used nowhere in this file as the global.
export const isFinite: OpDef<'isFinite'> = {
  name: 'isFinite',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: ([x]) =>
    isFloat(x.dtype) ? [{ dtype: 'bool', shape: x.shape }] : `C1: a float operand is needed, got ${showType(x)}`,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => (Number.isFinite(v) ? 1 : 0)),
  amp: [{ class: 'clear', inputs: [0], outputs: [] }],
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const isFiniteVjp: OpVjp<'isFinite'> = 'zero'
