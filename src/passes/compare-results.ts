/** Describes where the results of two programs that should be equal differ, in one sentence. */
import type { Interpretation } from '../ir/interpret.ts'
import { numberText } from '../ir/print.ts'

/** Relative to the largest result. Both are float64, where types do not round, so half precision must agree as well. */
export const tolerance = 1e-6

/** The first result that differs, `y[3] was 2 and is 5`; null if all agree. */
export const numericDifference = (want: Interpretation, got: Interpretation, isExact: boolean): string | null => {
  const all = [
    ...Object.entries(want.outputs).map(([name, was]) => ({ name, was, is: got.outputs[name] })),
    ...[...want.updates].map(([name, was]) => ({ name, was, is: got.updates.get(name) })),
  ]
  for (const { name, was, is } of all) {
    const other = is?.data ?? new Float64Array()
    const at = firstDifference(was.data, other, isExact)
    if (at !== null)
      return `${name}[${at}] was ${numberText(was.data[at] ?? Number.NaN)} and is ${numberText(other[at] ?? Number.NaN)}`
  }
  return null
}

const firstDifference = (want: Float64Array, got: Float64Array, isExact: boolean): number | null => {
  if (want.length !== got.length) return 0
  const scale = want.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
  const at = want.findIndex((w, i) => {
    const g = got[i] as number // equal lengths
    if (Object.is(w, g) || (Number.isNaN(w) && Number.isNaN(g))) return false
    return isExact || !(w === g || Math.abs(w - g) <= tolerance * scale)
  })
  return at < 0 ? null : at
}
