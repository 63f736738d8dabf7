import { flag, number } from '../../attrs.ts'
import { elementwiseCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkScalars, checkSlots, guarded, optimizerConstraints } from './shared.ts'

export const sgdDoc: OpDoc = {
  summary:
    'Gradient descent with momentum, as Keras has it: m = momentum*m - lr*g; w = w + m, with Nesterov w + momentum*m - lr*g.',
  constraints: optimizerConstraints,
  example: `graph example {
  %0 = input() {name="g"} : float32[2]
  %1 = variable() {name="w"} : float32[2]
  %2 = variable() {name="m"} : float32[2]
  %3 = constant() {value=0.1} : float32[]
  %4 = constant() {value=1} : bool[]
  %5:2 = sgd(%1, %0, %2, %3, %4) {momentum=0.9, nesterov=false} : float32[2], float32[2]
  return w = %5.0, m = %5.1
}`,
}

export const sgd: CompositeDef<'sgd'> = {
  name: 'sgd',
  level: 'composite',
  arity: 5,
  attrs: { momentum: number, nesterov: flag },
  infer: ([w, g, m, rate, finite]) =>
    checkSlots([w, g, m]) ?? checkScalars([rate, finite], ['float32', 'bool']) ?? [w, w],
  evalRef: ({ inputs: [w, g, m, rate, finite], attrs: { momentum, nesterov } }) => {
    const lr = rate.data[0] as number
    const velocity = m.data.map((v, i) => momentum * v - lr * (g.data[i] as number))
    const next = w.data.map(
      (v, i) =>
        v + (nesterov ? momentum * (velocity[i] as number) - lr * (g.data[i] as number) : (velocity[i] as number)),
    )
    return guarded(finite, [next, velocity], [w, m]) as readonly [Float64Array, Float64Array] // two in, two out
  },
  decompose: ({ inputs: [w, g, m, rate, finite], attrs: { momentum, nesterov }, b }) => {
    const pull = b.mul(rate, g)
    const velocity = b.sub(b.mul(m, momentum), pull)
    const move = nesterov ? b.sub(b.mul(velocity, momentum), pull) : velocity
    return [b.select(finite, b.add(w, move), w), b.select(finite, velocity, m)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'composite',
  cost: elementwiseCost,
}

export const sgdVjp: OpVjp<'sgd'> = 'none'
