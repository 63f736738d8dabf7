import { number, positive } from '../../attrs.ts'
import { noCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkScalars } from './shared.ts'

/** The largest loss scale that is doubled: the result, 2^127, is the largest power of two in float32. */
const largestDoubled = 2 ** 126

export const lossScaleUpdateDoc: OpDoc = {
  summary: 'Dynamic loss scale: doubles after `interval` finite steps in a row, halves on a step that is not finite.',
  constraints: [
    'C1: powers of two stay powers of two',
    'C2: scale, good steps and finite are scalars float32, int32, bool',
    'C3: it does not double past 2^127, where float32 ends; the count falls to 0 either way',
    'C4: never below `least`',
  ],
  example: `graph example {
  %0 = input() {name="finite"} : bool[]
  %1 = variable() {name="scale", trainable=false} : float32[]
  %2 = variable() {name="good", trainable=false} : int32[]
  %3:2 = lossScaleUpdate(%1, %2, %0) {interval=2000, least=1} : float32[], int32[]
  return scale = %3.0, good = %3.1
}`,
}

export const lossScaleUpdate: CompositeDef<'lossScaleUpdate'> = {
  name: 'lossScaleUpdate',
  level: 'composite',
  arity: 3,
  attrs: { interval: positive, least: number },
  infer: ([scale, good, finite]) => checkScalars([scale, good, finite], ['float32', 'int32', 'bool']) ?? [scale, good],
  evalRef: ({ inputs: [scale, good, finite], attrs: { interval, least } }) => {
    const [now, count] = [scale.data[0] as number, good.data[0] as number]
    if (finite.data[0] !== 1) return [Float64Array.of(Math.max(now / 2, least)), Float64Array.of(0)]
    if (count + 1 < interval) return [scale.data, Float64Array.of(count + 1)]
    return [Float64Array.of(now <= largestDoubled ? now * 2 : now), Float64Array.of(0)]
  },
  decompose: ({ inputs: [scale, good, finite], attrs: { interval, least }, b }) => {
    const count = b.add(good, 1)
    const isDue = b.compare('ge', count, interval)
    const grown = b.select(b.compare('le', scale, largestDoubled), b.mul(scale, 2), scale)
    const halved = b.maximum(b.mul(scale, 0.5), least)
    return [b.select(finite, b.select(isDue, grown, scale), halved), b.select(finite, b.select(isDue, 0, count), 0)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'exact',
  cost: noCost,
}

export const lossScaleUpdateVjp: OpVjp<'lossScaleUpdate'> = 'none'
