/** Targeted search: starts from the case nearest to its tolerance, and changes numbers to increase the error. */
import type { Backend } from '../../backends/backend.ts'
import { inputTypes } from '../../ir/graph.ts'
import { roundTo } from '../../ir/rounding.ts'
import { isFloat, type Type } from '../../ir/types.ts'
import { generator } from '../../passes/random-feeds.ts'
import type { Trial } from '../trial.ts'
import { judgeTrial, type JudgedTrial } from './judge.ts'

/**
 * Hill climbing on the ratio of error to tolerance, for a number of steps or until a case fails. Random numbers are on a grid, where products are
 * exact; the first steps leave the grid.
 */
export const climb = async (
  backend: Backend,
  start: JudgedTrial,
  { steps, seed, onStep }: { readonly steps: number; readonly seed: number; readonly onStep: () => void },
): Promise<JudgedTrial> => {
  const next = generator(seed)
  let best = start
  for (let step = 0; step < steps && best.judged.isAccepted; step++) {
    const trial = changed(best.trial, next)
    if (trial === null) return best
    onStep()
    const judged = await judgeTrial(backend, trial)
    if (judged.ratio >= best.judged.ratio) best = { trial, judged }
  }
  return best
}

/** Changes some numbers of a float input a little, or their order; null if no input is float. */
const changed = (trial: Trial, next: () => number): Trial | null => {
  const [graph] = trial.graphs
  const [round, ...others] = trial.rounds
  if (graph === undefined || round === undefined) return null
  const floats = [...inputTypes(graph)].filter(
    ([name, type]) => isFloat(type.dtype) && (round.inputs[name]?.length ?? 0) > 0,
  )
  const chosen = floats[Math.floor(next() * floats.length)]
  if (chosen === undefined) return null
  const [name, type] = chosen
  const numbers = [...(round.inputs[name] ?? [])]
  if (next() < 0.2) numbers.reverse()
  else {
    const isAll = next() < 0.5
    const only = Math.floor(next() * numbers.length)
    numbers.forEach((x, i) => {
      if (isAll || i === only) numbers[i] = nudged(x, type, next)
    })
  }
  return { ...trial, rounds: [{ ...round, inputs: { ...round.inputs, [name]: numbers } }, ...others] }
}

/** Changes a float by at most 1/16 of itself, so that it stays in the op's domain. */
const nudged = (x: number, { dtype }: Type, next: () => number): number =>
  isFloat(dtype) && Number.isFinite(x) ? roundTo(dtype, x * (1 + (next() - 0.5) / 8)) : x
