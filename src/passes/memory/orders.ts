/** Rules that make an order of steps. Each is good at some shape of graph; schedule.ts compares what they give. */
import { aliveBytes } from './figures.ts'
import { lifetimesOf } from './lifetimes.ts'
import type { Dependencies, MemoryProblem, Uses } from './problem.ts'

export type MakeOrder = (problem: MemoryProblem, uses: Uses, dependencies: Dependencies) => readonly number[]

export const listedOrder: MakeOrder = ({ steps }) => steps.map((_, at) => at)

/**
 * Depth first, and of a step's operands first the one whose making needs the most memory beyond what remains of it: the rule that is best
 * for trees (Liu 1987, "An application of generalized tree pebbling to sparse matrix factorization"). What the operands need is measured on
 * a walk that takes them as listed.
 */
export const sortedOrder: MakeOrder = (problem, uses, { successors, predecessors }) => {
  const { steps } = problem
  const sinks = steps.flatMap((_, at) => (successors[at]?.length === 0 ? [at] : []))
  const ascending = predecessors.map((list) => [...list].sort((a, b) => a - b))
  const trees: (readonly [from: number, to: number])[] = []
  const first = depthFirst(ascending, sinks, (at, from, to) => {
    trees[at] = [from, to]
  })
  const { buffers } = lifetimesOf(problem, uses, first)
  const alive = aliveBytes(buffers, steps.length)
  const between = bytesBetween(buffers, steps.length)
  const excess = new Float64Array(steps.length)
  const most = new Float64Array(steps.length)
  // Trees lie one after another in the walk, so that the most of a tree is that of its subtrees and of its root.
  first.forEach((at, position) => {
    const [from] = trees[at] ?? [position]
    most[position] = alive[position + 1] as number
    for (let child = position - 1; child >= from; child = (trees[first[child] as number]?.[0] ?? child) - 1)
      most[position] = Math.max(most[position] as number, most[child] as number)
    excess[at] = (most[position] as number) - (between[position + 1] as number)
  })
  const byExcess = (a: number, b: number): number => (excess[b] as number) - (excess[a] as number) || a - b
  return depthFirst(
    ascending.map((list) => list.sort(byExcess)),
    sinks.sort(byExcess),
  )
}

/** Each step after its operands, and these in the order of their list. `onTree`: the positions of a step and of what was visited for it. */
const depthFirst = (
  operands: readonly (readonly number[])[],
  sinks: readonly number[],
  onTree: (at: number, from: number, to: number) => void = () => {},
): readonly number[] => {
  const order: number[] = []
  const isSeen = new Uint8Array(operands.length)
  const stack: { readonly at: number; readonly from: number; next: number }[] = []
  const open = (at: number): void => {
    if (isSeen[at] === 1) return
    isSeen[at] = 1
    stack.push({ at, from: order.length, next: 0 })
  }
  for (const sink of sinks) {
    open(sink)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const operand = operands[top.at]?.[top.next++]
      if (operand !== undefined) {
        open(operand)
        continue
      }
      stack.pop()
      order.push(top.at)
      onTree(top.at, top.from, order.length - 1)
    }
  }
  return order
}

/** Bytes that stay from one step to the next: item p before the step at position p. */
const bytesBetween = (buffers: readonly { bytes: number; first: number; last: number }[], steps: number) => {
  const between = new Float64Array(steps + 2)
  for (const { bytes, first, last } of buffers) {
    between[first + 1] = (between[first + 1] as number) + bytes
    between[last + 1] = (between[last + 1] as number) - bytes
  }
  for (let at = 1; at < between.length; at++) between[at] = (between[at] as number) + (between[at - 1] as number)
  return between
}
