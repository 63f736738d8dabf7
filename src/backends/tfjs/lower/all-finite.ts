/**
 * Is every element of some operands finite? On wasm the means of windows are checked first (sums.ts): a number that is not finite makes the mean of
 * its window not finite. A mean of finite numbers may also overflow; if a mean is not finite, the elements themselves decide.
 */
import { elements, type Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { planMeans } from './sums.ts'

/** Are all elements of an operand finite? The arrays that a host loop reads for it, in this order, and the test of these arrays. */
export interface FiniteTest {
  readonly reads: readonly Operand[]
  readonly test: (arrays: readonly HostArray[]) => boolean
}

export const allFinite = (operands: readonly Operand[], type: Type, planner: Planner): number => {
  const planned = operands.map((x) => planFiniteTest(x, planner))
  return planner.host1(
    'allFinite',
    planned.flatMap(({ reads }) => reads),
    type,
    (arrays, [flag]) => {
      let first = 0
      const holds = planned.every(({ reads, test }) => {
        const own = arrays.slice(first, first + reads.length)
        first += reads.length
        return test(own)
      })
      flag?.fill(holds ? 1 : 0)
    },
  )
}

export const planFiniteTest = (x: Operand, planner: Planner): FiniteTest => {
  const size = elements(x.shape)
  const planned = planMeans(x, { outer: 1, reduced: size, inner: 1 }, planner)
  if (planned === null) return { reads: [x], test: ([data]) => areFinite(data) }
  const { means, pooling } = planned
  const covered = pooling.rows * pooling.window * pooling.channels
  return {
    reads: [x, means],
    test: ([data, windows]) => (areFinite(windows) && areFinite(data, covered)) || areFinite(data),
  }
}

/** NaN and infinities have all bits of the exponent set; half types are stored as float32. */
const exponentMask = 0x7f800000

const areFinite = (data: HostArray | undefined, from = 0): boolean => {
  if (data === undefined) return true
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length)
  for (let i = from; i < bits.length; i++) if (((bits[i] as number) & exponentMask) === exponentMask) return false
  return true
}
