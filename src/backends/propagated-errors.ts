/**
 * Bounds what roundings inside a graph may change in its results, element by element. The reference runs the graph; the error of each value is what
 * its operands' errors may change in it, and what its own rounding adds. docs/verification.md derives the rules.
 */
import { liveOrder, namedUpdates, refKey } from '../ir/graph.ts'
import { interpret, type InterpretOptions } from '../ir/interpret.ts'
import type { RefTensor } from '../ir/op-def.ts'
import { opDef } from '../ir/ops/index.ts'
import type { Graph, Node, Ref } from '../ir/types.ts'
import { type RankErrors, rankErrorsOf } from './rank-errors.ts'
import { primitivesOf } from './roundings.ts'

/** One bound for each element. */
export type Errors = Float64Array

export interface ResultErrors {
  /** Bounds by the names of outputs and of variables. A name that is missing has no error. */
  readonly outputs: ReadonlyMap<string, Errors>
  readonly updates: ReadonlyMap<string, Errors>
}

/** A result of a node, with what its own rounding depends on. */
export interface RoundedResult {
  readonly graph: Graph
  readonly node: Node
  readonly port: number
  readonly value: RefTensor
  /** What the errors of the operands may change in it; null if they have none. */
  readonly carried: Errors | null
  /** The op on the magnitudes of its operands and their errors: a sum without cancellation. */
  readonly magnitudes: () => Float64Array
}

/** The error of a result with its own rounding; null if it has none. */
export type OwnRounding = (result: RoundedResult) => Errors | null

/** The bounds of a graph's results on these feeds, composites decomposed. */
export const propagatedErrors = (
  declared: Graph,
  feeds: Pick<InterpretOptions, 'inputs' | 'variables'>,
  withOwn: OwnRounding,
): ResultErrors => {
  const graph = primitivesOf(declared)
  const values = new Map<number, RefTensor>()
  interpret(graph, {
    ...feeds,
    mode: 'declared',
    onNode: ({ id }, results) => results.forEach((tensor, port) => values.set(refKey({ id, port }), tensor)),
  })
  const errors = new Map<number, Errors>()
  for (const node of liveOrder(graph)) {
    const operands = node.inputs.map((ref) => values.get(refKey(ref)) as RefTensor) // operands come first
    const before = node.inputs.map((ref) => errors.get(refKey(ref)) ?? null)
    const carried = before.every((each) => each === null) ? null : carriedBy(node, operands, before)
    node.types.forEach((_, port) => {
      const key = refKey({ id: node.id, port })
      const value = values.get(key)
      if (value === undefined) return
      const magnitudes = (): Float64Array =>
        resultsOf(node, widened(magnitudesOf(node, operands), before))[port] ?? value.data
      const error = withOwn({ graph, node, port, value, carried: carried?.[port] ?? null, magnitudes })
      if (error !== null) errors.set(key, error)
    })
  }
  const named = (list: readonly { readonly name: string; readonly value: Ref }[]) =>
    new Map(
      list.flatMap(({ name, value }) => {
        const error = errors.get(refKey(value))
        return error === undefined ? [] : [[name, error] as const]
      }),
    )
  return { outputs: named(graph.outputs), updates: named(namedUpdates(graph)) }
}

/** The magnitudes of the operands that are factors: the first operand of the gradient of a max pool selects places. */
const magnitudesOf = ({ op }: Node, operands: readonly RefTensor[]): readonly RefTensor[] =>
  operands.map((x, i) => (op === 'maxPool2dGradient' && i === 0 ? x : { ...x, data: x.data.map(Math.abs) }))

const widened = (operands: readonly RefTensor[], errors: readonly (Errors | null)[]): readonly RefTensor[] =>
  operands.map((x, i) => ({ ...x, data: plus(x.data, errors[i] ?? null, 1) }))

/** How far the results may be off where the operands are off by `errors`; infinite where no bound is known. */
const carriedBy = (
  node: Node,
  operands: readonly RefTensor[],
  errors: readonly (Errors | null)[],
): readonly Errors[] => {
  const { fusion, level, tolerance } = opDef(node.op)
  const unbounded = (): readonly Errors[] => resultsOf(node, operands).map((y) => y.fill(Infinity))
  if (level !== 'primitive') return unbounded()
  if (fusion === 'elementwise') return [atCorners(node, operands, errors)]
  switch (node.op) {
    case 'gather':
      return errors[1] === null ? moved(node, operands, errors) : unbounded()
    case 'reduceMax':
    case 'reduceMin':
      return moved({ ...node, op: 'reduceMax' }, operands, errors)
    case 'reduceAll':
    case 'reduceAny':
      return moved({ ...node, op: 'reduceAny' }, operands, errors)
    case 'maxPool2d':
      return moved(node, operands, errors)
    case 'maxPool2dGradient':
      return errors[0] === null ? ofMagnitudes(node, operands, errors) : unbounded()
    case 'pad':
      return moved({ ...node, attrs: { ...node.attrs, value: 0 } }, operands, errors)
    case 'argMax':
      return [ranked(operands, errors, node.attrs.axis, 1).indices]
    case 'topK': {
      const { values, indices } = ranked(operands, errors, (operands[0]?.shape.length ?? 1) - 1, node.attrs.k)
      return [values, indices]
    }
    default:
      // Movement, or sums of products.
      return tolerance === 'exact' ? moved(node, operands, errors) : ofMagnitudes(node, operands, errors)
  }
}

const ranked = ([x]: readonly RefTensor[], [errors]: readonly (Errors | null)[], axis: number, k: number): RankErrors =>
  rankErrorsOf(x as RefTensor, errors ?? new Float64Array(0), axis, k) // arity 1, and its error is not null

/** Errors go where the elements go. */
const moved = (node: Node, operands: readonly RefTensor[], errors: readonly (Errors | null)[]): readonly Errors[] =>
  resultsOf(
    node,
    operands.map((x, i) => {
      const error = errors[i]
      const isIndex = node.op === 'gather' && i === 1
      return isIndex ? x : { ...x, data: error ?? new Float64Array(x.data.length) }
    }),
  )

/** Sums of products with positive factors only: f(|x| + e) - f(|x|) is the largest change of f(x). */
const ofMagnitudes = (
  node: Node,
  operands: readonly RefTensor[],
  errors: readonly (Errors | null)[],
): readonly Errors[] => {
  const sizes = magnitudesOf(node, operands)
  const [least, most] = [resultsOf(node, sizes), resultsOf(node, widened(sizes, errors))]
  return most.map((data, port) => data.map((y, i) => bounded(y - ((least[port] as Errors)[i] as number))))
}

/** The largest change of an elementwise op over all ends of its operands. Between them it changes less, except at jumps. */
const atCorners = (node: Node, operands: readonly RefTensor[], errors: readonly (Errors | null)[]): Errors => {
  const [centre] = resultsOf(node, operands) as readonly [Errors]
  const most = new Float64Array(centre.length)
  const visit = (chosen: readonly RefTensor[]): void => {
    const x = operands[chosen.length]
    if (x === undefined) {
      const [corner] = resultsOf(node, chosen) as readonly [Errors]
      corner.forEach((y, i) => {
        const w = centre[i] as number
        const off = Object.is(y, w) ? 0 : bounded(Math.abs(y - w))
        most[i] = Math.max(most[i] as number, off)
      })
      return
    }
    const error = errors[chosen.length] ?? null
    if (error === null) visit([...chosen, x])
    else if (x.dtype === 'bool')
      for (const data of [x.data, x.data.map((bit, i) => ((error[i] as number) > 0 ? 1 - bit : bit))])
        visit([...chosen, { ...x, data }])
    else for (const sign of [1, -1] as const) visit([...chosen, { ...x, data: plus(x.data, error, sign) }])
  }
  visit([])
  operands.forEach((x, at) =>
    errors[at]?.forEach((error, i) => {
      if (error === Infinity && Number.isNaN(x.data[i])) most[i] = Infinity // it may be any number
    }),
  )
  const jump = jumpOf(node)
  if (jump === null) return most
  return most.map((off, i) => {
    const [x, y] = jump.operands.map((at) => operands[at]?.data[i] as number)
    const error = jump.operands.reduce((sum, at) => sum + (errors[at]?.[i] ?? 0), 0)
    return error > 0 && Math.abs((x as number) - (y ?? 0)) <= error ? Math.max(off, jump.change) : off
  })
}

/** Ops that change abruptly where an operand is 0, or where two are equal: their ends may not show it. */
const jumpOf = (node: Node): { readonly operands: readonly number[]; readonly change: number } | null => {
  switch (node.op) {
    case 'div':
    case 'remainder':
      return { operands: [1], change: Infinity }
    case 'reciprocal':
      return { operands: [0], change: Infinity }
    case 'compare':
      return { operands: [0, 1], change: 1 }
    case 'cast':
      return node.attrs.to === 'bool' ? { operands: [0], change: 1 } : null
    default:
      return null
  }
}

const plus = (data: Float64Array, error: Errors | null, sign: 1 | -1): Float64Array =>
  error === null ? data : data.map((x, i) => x + sign * (error[i] as number))

/** NaN is the difference of infinities, or of a number and of what is not defined. */
const bounded = (error: number): number => (Number.isNaN(error) ? Infinity : error)

/** The op on these numbers, not rounded. */
const resultsOf = ({ op, attrs, types }: Node, inputs: readonly RefTensor[]): readonly Float64Array[] =>
  opDef(op)
    .evalRef({ inputs, attrs, types, cx: unused })
    .map((data) => Float64Array.from(data))

const refused = (): never => {
  throw new Error('bug in the compiler: an op with operands in primitives needs neither constants nor random numbers')
}
const unused = { constant: refused, randomUniform: refused, region: refused }
