import { ampAll, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { floatUnary, mapUnary, unaryExample } from '../elementwise/shared.ts'

export const siluDoc: OpDoc = {
  summary: 'x * sigmoid(x), also called swish (Ramachandran et al. 2017).',
  constraints: [
    'C1: a float operand',
    'C2: -infinity gives NaN, as x * sigmoid(x) does',
    'C3: half x is computed in float32',
  ],
  example: /* @__PURE__ */ unaryExample('silu'),
}

export const silu: CompositeDef<'silu'> = {
  name: 'silu',
  level: 'composite',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => v * (1 / (1 + Math.exp(-v)))),
  decompose: ({ inputs: [x], b }) => {
    const wide = b.cast(x, 'float32')
    return [b.cast(b.mul(wide, b.sigmoid(wide)), x.dtype)]
  },
  amp: ampAll('infer'),
  fusion: 'composite',
  tolerance: 'transcendental',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 5 * elements(x.shape) }),
}

export const siluVjp: OpVjp<'silu'> = ({ outGrads: [g], inputs: [x], b }) => [b.emit1('siluGradient', [x, g], {})]
