import { natural } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, showType } from '../../types.ts'
import { reducedShape } from '../shape.ts'
import { reduceLoop } from './shared.ts'

export const argMaxDoc: OpDoc = {
  summary: 'Index of the largest element along an axis.',
  constraints: [
    'C1: the axis exists',
    'C2: a numeric operand',
    'C3: of equal elements the lowest index',
    'C4: NaN counts as larger than everything',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[2,3]
  %1 = argMax(%0) {axis=1} : int32[2]
  return y = %1
}`,
}

export const argMax: OpDef<'argMax'> = {
  name: 'argMax',
  level: 'primitive',
  arity: 1,
  attrs: { axis: natural },
  infer: ([x], { axis }) =>
    axis >= x.shape.length
      ? `C1: axis ${axis} of a tensor of rank ${x.shape.length}`
      : x.dtype === 'bool'
        ? `C2: a numeric operand is needed, got ${showType(x)}`
        : [{ dtype: 'int32', shape: reducedShape(x.shape, [axis], false) }],
  evalRef: ({ inputs: [x], attrs: { axis } }) => {
    const count = elements(reducedShape(x.shape, [axis], false))
    const best = new Float64Array(count)
    const seen = new Float64Array(count)
    const index = new Float64Array(count)
    reduceLoop(x.shape, [axis], (from, to) => {
      const v = x.data[from] as number
      const at = seen[to] as number
      seen[to] = at + 1
      if (at === 0 || isLarger(v, best[to] as number)) {
        best[to] = v
        index[to] = at
      }
    })
    return [index]
  },
  amp: [{ class: 'clear', inputs: [0], outputs: [] }],
  fusion: 'reduction',
  tolerance: 'exact',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const argMaxVjp: OpVjp<'argMax'> = 'zero'

/** The order in which NaN is largest; equal elements are not larger. */
export const isLarger = (a: number, b: number): boolean => (Number.isNaN(a) ? !Number.isNaN(b) : a > b)
