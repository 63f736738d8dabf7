import { number } from '../../attrs.ts'
import { elementwiseCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkScalars, checkSlots, guarded, optimizerConstraints } from './shared.ts'

export const rmspropDoc: OpDoc = {
  summary:
    'RMSprop as the EfficientNet reference has it, epsilon inside the root: ms = rho*ms + (1-rho)*g^2; mom = momentum*mom + lr*g/sqrt(ms+epsilon); w = w - mom.',
  constraints: optimizerConstraints,
  example: `graph example {
  %0 = input() {name="g"} : float32[2]
  %1 = variable() {name="w"} : float32[2]
  %2 = variable() {name="ms"} : float32[2]
  %3 = variable() {name="mom"} : float32[2]
  %4 = constant() {value=0.1} : float32[]
  %5 = constant() {value=1} : bool[]
  %6:3 = rmsprop(%1, %0, %2, %3, %4, %5) {epsilon=0.001, momentum=0.9, rho=0.9} : float32[2], float32[2], float32[2]
  return w = %6.0, ms = %6.1, mom = %6.2
}`,
}

export const rmsprop: CompositeDef<'rmsprop'> = {
  name: 'rmsprop',
  level: 'composite',
  arity: 6,
  attrs: { rho: number, momentum: number, epsilon: number },
  infer: ([w, g, ms, mom, rate, finite]) =>
    checkSlots([w, g, ms, mom]) ?? checkScalars([rate, finite], ['float32', 'bool']) ?? [w, w, w],
  evalRef: ({ inputs: [w, g, ms, mom, rate, finite], attrs: { rho, momentum, epsilon } }) => {
    const lr = rate.data[0] as number
    const square = ms.data.map((v, i) => rho * v + (1 - rho) * (g.data[i] as number) ** 2)
    const step = mom.data.map(
      (v, i) => momentum * v + (lr * (g.data[i] as number)) / Math.sqrt((square[i] as number) + epsilon),
    )
    const next = w.data.map((v, i) => v - (step[i] as number))
    return guarded(finite, [next, square, step], [w, ms, mom]) as readonly [Float64Array, Float64Array, Float64Array] // three in, three out
  },
  decompose: ({ inputs: [w, g, ms, mom, rate, finite], attrs: { rho, momentum, epsilon }, b }) => {
    const square = b.add(b.mul(ms, rho), b.mul(b.mul(g, g), 1 - rho))
    const step = b.add(b.mul(mom, momentum), b.mul(rate, b.mul(g, b.rsqrt(b.add(square, epsilon)))))
    return [b.select(finite, b.sub(w, step), w), b.select(finite, square, ms), b.select(finite, step, mom)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'composite',
  cost: elementwiseCost,
}

export const rmspropVjp: OpVjp<'rmsprop'> = 'none'
