/** Do contenders compute the same network? For inference their first results must agree; a training step's losses are compared by the race. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { Contender } from './contender.ts'

/** How far results may be apart, of the largest one: what roundings of float32 and of half types come to over a deep network. */
const [tolerance, halfTolerance] = [1e-3, 5e-2]

/** @throws EffuseError EF901 where a contender's first result is not the first contender's */
export const checkOutputs = async (contenders: readonly Contender[]): Promise<void> => {
  const [first, ...others] = contenders
  const wanted = (await first?.outputs?.()) ?? null
  if (first === undefined || wanted === null) return
  for (const contender of others) {
    const got = (await contender.outputs?.()) ?? null
    if (got === null) continue
    const allowed = first.amp || contender.amp ? halfTolerance : tolerance
    const [apart, largest] = distance(wanted, got)
    if (apart <= allowed * largest) continue
    throw new EffuseError({
      code: 'EF901',
      message: `the results of ${contender.name} and of ${first.name} are ${apart.toPrecision(3)} apart, where the largest number is ${largest.toPrecision(3)}: their times would not compare`,
      hint: 'unless the results are not finite, please report it',
    })
  }
}

/** The largest difference, and the largest number; no difference is allowed where the results are not finite. */
const distance = (wanted: ArrayLike<number>, got: ArrayLike<number>): readonly [apart: number, largest: number] => {
  let [apart, largest] = [wanted.length === got.length ? 0 : Infinity, 0]
  for (let i = 0; i < wanted.length; i++) {
    const [x, y] = [wanted[i] ?? Number.NaN, got[i] ?? Number.NaN]
    if (x === y) continue
    const difference = Math.abs(x - y)
    apart = Number.isNaN(difference) ? Infinity : Math.max(apart, difference)
    largest = Math.max(largest, Math.abs(x))
  }
  return [apart, largest]
}
