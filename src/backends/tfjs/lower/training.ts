/**
 * Optimizers, averages and the finite check, by loops in float64. Most variables of a network are small, and calling a dozen kernels costs more than
 * their work. Large variables use the kernels' SIMD. If the flag is false, the old values stay (C3).
 */
import type { OpAttrs, TrainingOps } from '../../../ir/signatures.ts'
import type { Node, Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import { inMemory, type Lowering } from '../lowering.ts'
import type { HostLoop } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { allFinite } from './all-finite.ts'
import { lowerByReference, made } from './shared.ts'

const rmspropLoop =
  (attrs: OpAttrs<'rmsprop'>): HostLoop =>
  ([w, g, meanSquare, velocity, rate, finite], outputs) => {
    const { rho, momentum, epsilon } = attrs // locals: the loop runs from registers
    if (isSkipped(finite)) return keep(outputs, [w, meanSquare, velocity])
    const [nextW, nextSquare, nextVelocity] = outputs as readonly [HostArray, HostArray, HostArray]
    const lr = numberIn(rate)
    for (let i = 0; i < nextW.length; i++) {
      const gradient = at(g, i)
      const square = rho * at(meanSquare, i) + (1 - rho) * gradient * gradient
      const step = momentum * at(velocity, i) + (lr * gradient) / Math.sqrt(square + epsilon)
      nextSquare[i] = square
      nextVelocity[i] = step
      nextW[i] = at(w, i) - step
    }
  }

const sgdLoop =
  (attrs: OpAttrs<'sgd'>): HostLoop =>
  ([w, g, velocity, rate, finite], outputs) => {
    const { momentum, nesterov } = attrs // locals: the loop runs from registers
    if (isSkipped(finite)) return keep(outputs, [w, velocity])
    const [nextW, nextVelocity] = outputs as readonly [HostArray, HostArray]
    const lr = numberIn(rate)
    for (let i = 0; i < nextW.length; i++) {
      const pull = lr * at(g, i)
      const step = momentum * at(velocity, i) - pull
      nextVelocity[i] = step
      nextW[i] = at(w, i) + (nesterov ? momentum * step - pull : step)
    }
  }

const adamLoop =
  (attrs: OpAttrs<'adam'>): HostLoop =>
  ([w, g, first, second, rate, step, finite], outputs) => {
    const { beta1, beta2, epsilon, weightDecay } = attrs // locals: the loop runs from registers
    if (isSkipped(finite)) return keep(outputs, [w, first, second])
    const [nextW, nextFirst, nextSecond] = outputs as readonly [HostArray, HostArray, HostArray]
    const lr = numberIn(rate)
    const t = numberIn(step) + 1
    // The corrections of both moments, computed outside of the loop.
    const pace = lr / (1 - beta1 ** t)
    const widening = 1 / Math.sqrt(1 - beta2 ** t)
    for (let i = 0; i < nextW.length; i++) {
      const gradient = at(g, i)
      const mean = beta1 * at(first, i) + (1 - beta1) * gradient
      const square = beta2 * at(second, i) + (1 - beta2) * gradient * gradient
      nextFirst[i] = mean
      nextSecond[i] = square
      nextW[i] = at(w, i) - (pace * mean) / (Math.sqrt(square) * widening + epsilon) - lr * weightDecay * at(w, i)
    }
  }

const emaLoop =
  (attrs: OpAttrs<'ema'>): HostLoop =>
  ([average, value, step, finite], outputs) => {
    const { decay } = attrs // locals: the loop runs from registers
    if (isSkipped(finite)) return keep(outputs, [average])
    const [next] = outputs as readonly [HostArray]
    const t = numberIn(step) + 1
    const share = 1 - Math.min(decay, (1 + t) / (10 + t))
    for (let i = 0; i < next.length; i++) next[i] = at(average, i) + share * (at(value, i) - at(average, i))
  }

type Given = HostArray | undefined
/** The op fixes the number of operands, so none is undefined. Only for float32: engines are slow if one access sees arrays of several types. */
const at = (data: Given, i: number): number => (data as HostArray)[i] as number
const numberIn = (scalar: Given): number => (scalar as HostArray)[0] as number
const isSkipped = (finite: Given): boolean => numberIn(finite) === 0
const keep = (outputs: readonly HostArray[], olds: readonly Given[]): void =>
  outputs.forEach((output, i) => output.set(olds[i] ?? []))

interface Args {
  readonly node: Node
  readonly inputs: readonly View[]
  readonly types: readonly Type[]
  readonly planner: Planner
}

/** One loop makes a result of each type. */
const looped = ({ node, inputs, types, planner }: Args, loop: HostLoop): readonly View[] => {
  const operands = inputs.map((view) => planner.dense(view))
  return planner.host(node.op, operands, types, loop).map((slot, port) => made(slot, types[port] as Type))
}
type One = readonly [View]
type Two = readonly [View, View]
type Three = readonly [View, View, View]

// The casts: as many results as types.
export const trainingLowering: { readonly [K in keyof TrainingOps]: Lowering<K> } = {
  rmsprop: inMemory((args) => looped(args, rmspropLoop(args.attrs)) as Three),
  sgd: inMemory((args) => looped(args, sgdLoop(args.attrs)) as Two),
  adam: inMemory((args) => looped(args, adamLoop(args.attrs)) as Three),
  ema: inMemory((args) => looped(args, emaLoop(args.attrs)) as One),
  allFinite: inMemory(({ inputs, planner, types: [type] }) => [
    made(
      allFinite(
        inputs.map((view) => planner.dense(view)),
        type,
        planner,
      ),
      type,
    ),
  ]),
  lossScaleUpdate: inMemory(({ node, inputs, planner }) => lowerByReference(node, inputs, planner) as Two),
}
