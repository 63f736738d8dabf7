/**
 * Frequent composites as one or two WGSL programs: silu, and batch normalisation in training and its gradient. tfjs has no silu, and its batch norm in
 * training takes a dozen kernels. Other composites run by their decompositions.
 */
import type { CompositeOps } from '../../../ir/signatures.ts'
import { elements, type Type } from '../../../ir/types.ts'
import { as } from '../lower/shared.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { denseView, type View } from '../view.ts'
import { mapped } from './mapped.ts'
import { Parameters } from './parameters.ts'
import { reduced } from './reduction.ts'
import { literal } from '../../webgpu/wgsl/library.ts'

const lowerSilu: LowerFunction<'silu'> = ({ node, inputs, types: [type], planner }) => [
  mapped({ name: node.op, inputs, type, expression: 'a / (1.0 + exponential(-a))' }, planner),
]

const lowerSiluGradient: LowerFunction<'siluGradient'> = ({ node, inputs, types: [type], planner }) => [
  mapped(
    {
      name: node.op,
      inputs,
      type,
      expression: 'b * (logistic(a) * (1.0 + a * (1.0 - logistic(a))))',
    },
    planner,
  ),
]

/** A vector [C] as a value of x's type, repeated along all axes except the last. */
const along = (vector: View, { dtype, shape }: Type): View => ({
  ...vector,
  shape: [...shape.slice(1).map(() => 1), ...vector.shape],
  type: { dtype, shape },
})

const f32 = (value: number): string => literal(value, 'float32')

const lowerInference: LowerFunction<'batchNormInference'> = ({
  node,
  attrs: { epsilon },
  inputs: [x, ...vectors],
  types: [type],
  planner,
}) => [
  mapped(
    {
      name: node.op,
      inputs: [x, ...vectors.map((vector) => along(vector, type))],
      type,
      expression: `(a - d) / squareRoot(e + ${f32(epsilon)}) * b + c`,
    },
    planner,
  ),
]

/** Sums over all rows of x [rows, C]. */
const overRows = (
  name: string,
  x: Operand,
  others: readonly Operand[],
  how: { readonly expression: string; readonly divisor?: number },
  planner: Planner,
): View => {
  const channels = x.shape.at(-1) ?? 1
  const rows = elements(x.shape) / channels
  const sums = reduced(
    {
      name,
      fold: 'sum',
      group: { outer: 1, reduced: rows, inner: channels },
      operands: [as(x, [1, rows, channels]), ...others.map((other) => byChannels(other, rows, channels))],
      ...how,
    },
    'float32',
    planner,
  )
  return denseView(sums.slot, { dtype: 'float32', shape: [channels] })
}

const byChannels = (x: Operand, rows: number, channels: number): Operand =>
  as(x, elements(x.shape) === channels ? [1, 1, channels] : [1, rows, channels])

const lowerTraining: LowerFunction<'batchNormTraining'> = ({
  node: { op },
  attrs: { epsilon },
  inputs: [view, scale, offset],
  types: [type],
  planner,
}) => {
  const x = planner.dense(view)
  const rows = elements(x.shape) / (x.shape.at(-1) ?? 1)
  const mean = overRows(op, x, [], { expression: 'a', divisor: rows }, planner)
  // Two passes, because the mean of squares minus the square of the mean would cancel.
  const variance = overRows(op, x, [planner.dense(mean)], { expression: '(a - b) * (a - b)', divisor: rows }, planner)
  const inverse = mapped(
    { name: op, inputs: [variance], type: variance.type, expression: `1.0 / squareRoot(a + ${f32(epsilon)})` },
    planner,
  )
  const vectors = [mean, inverse, scale, offset].map((vector) => along(vector, type))
  const y = mapped({ name: op, inputs: [view, ...vectors], type, expression: '(a - b) * c * d + e' }, planner)
  return [y, mean, variance, inverse]
}

const lowerGradient: LowerFunction<'batchNormGradient'> = ({
  node: { op },
  inputs: [view, scale, mean, inverse, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(view), planner.dense(dyView)]
  const rows = elements(x.shape) / (x.shape.at(-1) ?? 1)
  const doffset = overRows(op, dy, [], { expression: 'a' }, planner)
  const statistics = [planner.dense(mean), planner.dense(inverse)]
  const dscale = overRows(op, x, [dy, ...statistics], { expression: 'b * ((a - c) * d)' }, planner)
  const vectors = [mean, inverse, scale, doffset, dscale].map((vector) => along(vector, type))
  const parameters = new Parameters()
  const part = parameters.f(1 / rows)
  const expression = `e * d * (b - ${part} * (f + (a - c) * d * g))`
  return [
    mapped({ name: op, inputs: [view, dyView, ...vectors], type, expression, parameters }, planner),
    dscale,
    doffset,
  ]
}

export const compositeLowering: { readonly [K in keyof CompositeOps]?: Lowering<K> } = {
  batchNormInference: lowerInference,
  batchNormTraining: lowerTraining,
  batchNormGradient: lowerGradient,
  silu: lowerSilu,
  siluGradient: lowerSiluGradient,
}
