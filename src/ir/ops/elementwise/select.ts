import { elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { isFloat, sameShape, showType } from '../../types.ts'

export const selectDoc: OpDoc = {
  summary: 'The second operand where the first is true, the third elsewhere.',
  constraints: [
    'C1: the condition is bool',
    'C2: equal types of the branches',
    "C3: the condition is a scalar or has the branches' shape",
    'C4: NaN in the branch that is not taken does no harm',
  ],
  example: `graph example {
  %0 = input() {name="p"} : bool[3]
  %1 = input() {name="a"} : float32[3]
  %2 = input() {name="b"} : float32[3]
  %3 = select(%0, %1, %2) : float32[3]
  return y = %3
}`,
}

export const select: OpDef<'select'> = {
  name: 'select',
  level: 'primitive',
  arity: 3,
  attrs: {},
  infer: ([condition, a, b]) =>
    condition.dtype !== 'bool'
      ? `C1: the condition must be bool, got ${condition.dtype}`
      : !sameShape(a.shape, b.shape) || a.dtype !== b.dtype
        ? `C2: branches differ: ${showType(a)} and ${showType(b)}`
        : condition.shape.length > 0 && !sameShape(condition.shape, a.shape)
          ? `C3: a condition ${showType(condition)} for branches ${showType(a)}`
          : [a],
  evalRef: ({ inputs: [condition, a, b] }) => {
    const isScalar = condition.shape.length === 0
    return [a.data.map((x, i) => (condition.data[isScalar ? 0 : i] === 1 ? x : (b.data[i] as number)))]
  },
  amp: [{ class: 'clear', inputs: [1, 2], outputs: [0] }],
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const selectVjp: OpVjp<'select'> = ({ outGrads: [g], inputs: [condition, a], b }) =>
  isFloat(a.dtype) ? [null, b.select(condition, g, 0), b.select(condition, 0, g)] : [null, null, null]
