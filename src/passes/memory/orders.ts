/** Rules that make an order of steps. Each suits some shapes of graphs; schedule.ts compares their results. */
import { aliveBytes } from './figures.ts'
import { lifetimesOf } from './lifetimes.ts'
import type { Dependencies, MemoryProblem, Uses } from './problem.ts'

export type MakeOrder = (problem: MemoryProblem, uses: Uses, dependencies: Dependencies) => readonly number[]

export const listedOrder: MakeOrder = ({ steps }) => steps.map((_, at) => at)

/**
 * Depth first. Of a step's operands, the first is the one whose computation needs the most memory beyond its own size. This rule is optimal for
 * trees (Liu 1987, "An application of generalized tree pebbling to sparse matrix factorization"). The memory that operands need is measured on
 * a walk in the listed order.
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
  // The walk visits one tree after another, so the peak of a tree is the maximum over its subtrees and its root.
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

/** Each step after its operands, which are in the order of their list. `onTree` gets the positions of a step and of the steps visited for it. */
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

/** Bytes that are alive between steps: item p is before the step at position p. */
const bytesBetween = (buffers: readonly { bytes: number; first: number; last: number }[], steps: number) => {
  const between = new Float64Array(steps + 2)
  for (const { bytes, first, last } of buffers) {
    between[first + 1] = (between[first + 1] as number) + bytes
    between[last + 1] = (between[last + 1] as number) - bytes
  }
  for (let at = 1; at < between.length; at++) between[at] = (between[at] as number) + (between[at - 1] as number)
  return between
}
