import { number } from '../../attrs.ts'
import { elementwiseCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkScalars, checkSlots } from './shared.ts'

export const emaDoc: OpDoc = {
  summary:
    'Exponential moving average of a variable: average + (1 - d) * (value - average), d = min(decay, (1 + t) / (10 + t)), t = step + 1 being the count after this update.',
  constraints: [
    'C1: average and value are float32 of one shape',
    'C2: step and finite are scalars int32, bool',
    'C3: where finite is false the result is the old average',
  ],
  example: `graph example {
  %0 = variable() {name="ema/w", trainable=false} : float32[2]
  %1 = variable() {name="w"} : float32[2]
  %2 = variable() {name="step", trainable=false} : int32[]
  %3 = constant() {value=1} : bool[]
  %4 = ema(%0, %1, %2, %3) {decay=0.9999} : float32[2]
  return average = %4
}`,
}

export const ema: CompositeDef<'ema'> = {
  name: 'ema',
  level: 'composite',
  arity: 4,
  attrs: { decay: number },
  infer: ([average, value, step, finite]) =>
    checkSlots([average, value]) ?? checkScalars([step, finite], ['int32', 'bool']) ?? [average],
  evalRef: ({ inputs: [average, value, step, finite], attrs: { decay } }) => {
    const t = (step.data[0] as number) + 1
    const d = Math.min(decay, (1 + t) / (10 + t))
    return [
      finite.data[0] === 1 ? average.data.map((a, i) => a + (1 - d) * ((value.data[i] as number) - a)) : average.data,
    ]
  },
  decompose: ({ inputs: [average, value, step, finite], attrs: { decay }, b }) => {
    const t = b.add(b.cast(step, 'float32'), 1)
    // Computes 1 - d directly, as 9 / (10 + t) while d grows: if d is near 1, 1 - d in float32 would have too few digits.
    const weight = b.maximum(b.div(9, b.add(t, 10)), 1 - decay)
    const next = b.add(average, b.mul(b.sub(value, average), weight))
    return [b.select(finite, next, average)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'composite',
  cost: elementwiseCost,
}

export const emaVjp: OpVjp<'ema'> = 'none'
