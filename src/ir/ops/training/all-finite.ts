import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, isFloat, showType } from '../../types.ts'

export const allFiniteDoc: OpDoc = {
  summary: 'True where no element of any operand is NaN or infinite.',
  constraints: ['C1: at least one float operand'],
  example: `graph example {
  %0 = input() {name="a"} : float32[2]
  %1 = input() {name="b"} : float32[3]
  %2 = allFinite(%0, %1) : bool[]
  return finite = %2
}`,
}

export const allFinite: CompositeDef<'allFinite'> = {
  name: 'allFinite',
  level: 'composite',
  arity: 'variadic',
  attrs: {},
  infer: (inputs) => {
    const odd = inputs.find((x) => !isFloat(x.dtype))
    return inputs.length === 0 || odd !== undefined
      ? `C1: float operands are needed, got ${odd === undefined ? 'none' : showType(odd)}`
      : [{ dtype: 'bool', shape: [] }]
  },
  evalRef: ({ inputs }) => [Float64Array.of(inputs.every(({ data }) => data.every(Number.isFinite)) ? 1 : 0)],
  decompose: ({ inputs, b }) => {
    const flags = inputs.map((x) =>
      b.emit1('reduceAll', [b.unary('isFinite', x)], { axes: x.shape.map((_, axis) => axis), keepDims: false }),
    )
    const [first, ...rest] = flags
    if (first === undefined) return [b.splat(1, { dtype: 'bool', shape: [] })]
    return [rest.reduce((all, flag) => b.emit1('and', [all, flag], {}), first)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'exact',
  cost: (inputs) => ({ multiplyAdds: 0, operations: inputs.reduce((sum, x) => sum + elements(x.shape), 0) }),
}

export const allFiniteVjp: OpVjp<'allFinite'> = 'zero'
