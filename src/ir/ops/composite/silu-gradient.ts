import { ampAll, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { binaryExample, floatBinary, mapBinary } from '../elementwise/shared.ts'

export const siluGradientDoc: OpDoc = {
  summary:
    'Gradient of silu: (x, dy) -> dy * s * (1 + x * (1 - s)) with s = sigmoid(x), computed anew instead of stored.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: float',
    'C5: an infinite x gives NaN',
    'C6: half x and dy are computed in float32',
  ],
  example: /* @__PURE__ */ binaryExample('siluGradient'),
}

export const siluGradient: CompositeDef<'siluGradient'> = {
  name: 'siluGradient',
  level: 'composite',
  arity: 2,
  attrs: {},
  infer: floatBinary,
  evalRef: ({ inputs: [x, dy] }) =>
    mapBinary(x, dy, (v, g) => {
      const s = 1 / (1 + Math.exp(-v))
      return g * s * (1 + v * (1 - s))
    }),
  decompose: ({ inputs: [x, dy], b }) => {
    const [wide, g] = [b.cast(x, 'float32'), b.cast(dy, 'float32')]
    // s + silu(x) * (1 - s): the forward pass computes s and silu(x), so x itself need not be kept.
    const s = b.sigmoid(wide)
    return [b.cast(b.mul(g, b.add(s, b.mul(b.mul(wide, s), b.sub(1, s)))), x.dtype)]
  },
  amp: ampAll('infer'),
  fusion: 'composite',
  tolerance: 'composite',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 8 * elements(x.shape) }),
}

export const siluGradientVjp: OpVjp<'siluGradient'> = ({ outGrads: [g], inputs: [x, dy], b }) => {
  const s = b.sigmoid(x)
  const slope = b.mul(s, b.sub(1, s))
  const bend = b.mul(slope, b.add(b.mul(x, b.sub(1, b.mul(s, 2))), 2))
  return [b.mul(g, b.mul(dy, bend)), b.emit1('siluGradient', [x, g], {})]
}
