import { dtype, flag, withDefault } from '../../attrs.ts'
import { elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { isFloat, type DType } from '../../types.ts'
import { mapUnary } from './shared.ts'

export const castDoc: OpDoc = {
  summary: 'Another element type.',
  constraints: [
    'C1: to a float: rounds to nearest, ties to even',
    'C2: float to int32: truncates toward zero, saturates, NaN gives 0',
    'C3: to bool: true where x is not 0; NaN is true',
    'C4: from bool: 0 and 1',
    'C5: relaxed casts were placed by mixed precision: a fused region may keep more precision',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = cast(%0) {to="float16"} : float16[3]
  return y = %1
}`,
}

export const cast: OpDef<'cast'> = {
  name: 'cast',
  level: 'primitive',
  arity: 1,
  attrs: { to: dtype, relaxed: withDefault(flag, false) },
  infer: ([x], { to }) => [{ dtype: to, shape: x.shape }],
  evalRef: ({ inputs: [x], attrs: { to } }) => mapUnary(x, conversion(x.dtype, to)),
  amp: [],
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const castVjp: OpVjp<'cast'> = ({ outGrads: [g], inputs: [x], attrs: { to, relaxed }, b }) => [
  isFloat(x.dtype) && isFloat(to) ? b.cast(g, x.dtype, relaxed) : null,
]

/** Does not round to float types: the interpreter rounds every result to its dtype. */
const conversion = (from: DType, to: DType): ((x: number) => number) => {
  if (to === 'bool') return (x) => (x === 0 ? 0 : 1)
  if (to === 'int32' && isFloat(from))
    return (x) => (Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1))
  return (x) => x
}
