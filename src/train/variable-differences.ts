/** All differences between a checkpoint's variables and a step's. Differences that follow from another one are only counted. */
import type { Variables } from '../executable/variables.ts'
import type { TensorEntry } from '../io/tensor-entry.ts'
import { globFilter } from '../ir/glob.ts'
import { sameShape } from '../ir/types.ts'
import { accumulateNames } from '../passes/train/accumulate.ts'
import { averagePrefix } from '../passes/train/moving-averages.ts'

/** One line each, in the model's order; then the variables that only the file has. Empty: the file fits. */
export const variableDifferences = (
  tensors: ReadonlyMap<string, TensorEntry>,
  variables: Variables,
  except: readonly string[] = [],
): readonly string[] => {
  const isLeftOut = globFilter(except)
  const faults = new Map<string, string>()
  for (const name of variables.names()) {
    if (isLeftOut(name)) continue
    const { dtype, shape } = variables.describe(name)
    const entry = tensors.get(name)
    const here = `${dtype}[${shape.join(',')}]`
    if (entry === undefined) faults.set(name, `missing in the checkpoint: "${name}" ${here}`)
    else if (entry.dtype !== dtype || !sameShape(entry.shape, shape))
      faults.set(name, `"${name}" is ${entry.dtype}[${entry.shape.join(',')}] in the checkpoint, ${here} in this run`)
  }
  const known = new Set(variables.names())
  for (const name of tensors.keys())
    if (!known.has(name) && !isLeftOut(name)) faults.set(name, `not in this run: "${name}"`)
  const lines: string[] = []
  let following = 0
  for (const [name, line] of faults)
    if (sourcesOf(name).some((source) => faults.has(source))) following++
    else lines.push(line)
  return following === 0
    ? lines
    : [...lines, `and ${following} slots, averages and accumulators, which follow from these`]
}

/** The variables that a variable of the step may belong to. */
const sourcesOf = (name: string): readonly string[] => {
  for (const prefix of [averagePrefix, accumulateNames.prefix])
    if (name.startsWith(prefix)) return [name.slice(prefix.length)]
  const slot = /^optimizer\/(.+)\/[^/]+$/.exec(name)?.[1]
  return slot === undefined ? [] : [slot]
}

const slotPattern = /^optimizer\/.+\/([^/]+)$/
/** Identifies optimizers by their slots. */
const optimizersBySlots: ReadonlyMap<string, string> = new Map([
  ['momentum', 'sgd'],
  ['meanSquare, momentum', 'rmsprop'],
  ['firstMoment, secondMoment', 'adam or adamw'],
])

/** `step-1.safetensors was trained with rmsprop, but the run uses sgd: `; empty if the optimizers have the same slots. */
export const optimizerDifference = (file: string, before: Iterable<string>, now: Iterable<string>): string => {
  const kindOf = (names: Iterable<string>): string => {
    const slots = [...new Set([...names].flatMap((name) => slotPattern.exec(name)?.[1] ?? []))].sort().join(', ')
    return optimizersBySlots.get(slots) ?? 'another optimizer'
  }
  const [was, is] = [kindOf(before), kindOf(now)]
  return was === is ? '' : `${file} was trained with ${was}, but the run uses ${is}: `
}
