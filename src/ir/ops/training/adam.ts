import { number } from '../../attrs.ts'
import { elementwiseCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkScalars, checkSlots, guarded, optimizerConstraints } from './shared.ts'

export const adamDoc: OpDoc = {
  summary:
    'Adam (Kingma and Ba 2014) with bias correction, t = step + 1; with weightDecay AdamW (Loshchilov and Hutter 2017): w = w - lr*(m/(sqrt(v)+epsilon) + weightDecay*w).',
  constraints: optimizerConstraints,
  example: `graph example {
  %0 = input() {name="g"} : float32[2]
  %1 = variable() {name="w"} : float32[2]
  %2 = variable() {name="m"} : float32[2]
  %3 = variable() {name="v"} : float32[2]
  %4 = constant() {value=0.001} : float32[]
  %5 = variable() {name="step", trainable=false} : int32[]
  %6 = constant() {value=1} : bool[]
  %7:3 = adam(%1, %0, %2, %3, %4, %5, %6) {beta1=0.9, beta2=0.999, epsilon=1e-7, weightDecay=0} : float32[2], float32[2], float32[2]
  return w = %7.0, m = %7.1, v = %7.2
}`,
}

export const adam: CompositeDef<'adam'> = {
  name: 'adam',
  level: 'composite',
  arity: 7,
  attrs: { beta1: number, beta2: number, epsilon: number, weightDecay: number },
  infer: ([w, g, m, v, rate, step, finite]) =>
    checkSlots([w, g, m, v]) ?? checkScalars([rate, step, finite], ['float32', 'int32', 'bool']) ?? [w, w, w],
  evalRef: ({ inputs: [w, g, m, v, rate, step, finite], attrs: { beta1, beta2, epsilon, weightDecay } }) => {
    const [lr, t] = [rate.data[0] as number, (step.data[0] as number) + 1]
    const first = m.data.map((x, i) => beta1 * x + (1 - beta1) * (g.data[i] as number))
    const second = v.data.map((x, i) => beta2 * x + (1 - beta2) * (g.data[i] as number) ** 2)
    const [c1, c2] = [1 - beta1 ** t, 1 - beta2 ** t]
    const next = w.data.map(
      (x, i) =>
        x - lr * ((first[i] as number) / c1 / (Math.sqrt((second[i] as number) / c2) + epsilon) + weightDecay * x),
    )
    return guarded(finite, [next, first, second], [w, m, v]) as readonly [Float64Array, Float64Array, Float64Array] // three in, three out
  },
  decompose: ({ inputs: [w, g, m, v, rate, step, finite], attrs: { beta1, beta2, epsilon, weightDecay }, b }) => {
    const t = b.add(b.cast(step, 'float32'), 1)
    const first = b.add(b.mul(m, beta1), b.mul(g, 1 - beta1))
    const second = b.add(b.mul(v, beta2), b.mul(b.mul(g, g), 1 - beta2))
    // 1 - beta^t as -expm1(t * log(beta)): in the first steps beta^t is near 1, so the difference would lose digits.
    const correction = (beta: number) => b.neg(b.unary('expm1', b.mul(t, Math.log(beta))))
    const root = b.add(b.sqrt(b.div(second, correction(beta2))), epsilon)
    const direction = b.div(b.div(first, correction(beta1)), root)
    const move = b.mul(rate, weightDecay === 0 ? direction : b.add(direction, b.mul(w, weightDecay)))
    return [b.select(finite, b.sub(w, move), w), b.select(finite, first, m), b.select(finite, second, v)]
  },
  amp: [],
  fusion: 'composite',
  tolerance: 'composite',
  cost: elementwiseCost,
}

export const adamVjp: OpVjp<'adam'> = 'none'
