/**
 * Finds the fusions that are always profitable, in one pass over the nodes: a node joins the kernel of its only reader, if that reader is elementwise
 * and reads it at the same coordinates. The queue then has far fewer clusters to compare.
 */
import type { Facts, Read } from './facts.ts'

/** For each node the last node of its chain; its own position if the chain is only this node. */
export const chainsOf = (facts: Facts): Int32Array => {
  const { nodes, roles, kinds, reads, isRoot, target } = facts
  const chain = Int32Array.from(nodes, (_, at) => at)
  const readers = readersOf(facts)
  const ops = new Int32Array(nodes.length).fill(1)
  const operands = Int32Array.from(reads, ({ length }) => length)
  const hasHero = new Uint8Array(nodes.length)
  // In reverse order: the readers of a node already have their chains.
  for (let at = nodes.length - 1; at >= 0; at--) {
    const isHero = roles[at] === 'hero'
    if (isHero) hasHero[at] = 1
    if ((roles[at] !== 'map' && !isHero) || isRoot[at] === true) continue
    const [first, ...others] = readers[at] as readonly Reader[]
    if (first === undefined) continue
    const last = chain[first.by] as number
    const isOne = [first, ...others].every(({ by, isPoint }) => isPoint && chain[by] === last)
    const fits =
      (ops[last] as number) < target.fusionBudget.ops / 2 &&
      (operands[last] as number) + (operands[at] as number) < target.fusionBudget.buffers &&
      !(isHero && hasHero[last] === 1) &&
      target.fusions.includes(isHero ? (kinds[at] as (typeof kinds)[number]) : 'loop')
    if (!isOne || !fits) continue
    chain[at] = last
    ops[last] = (ops[last] as number) + 1
    operands[last] = (operands[last] as number) + (operands[at] as number) - 1
    if (isHero) hasHero[last] = 1
  }
  return chain
}

interface Reader {
  readonly by: number
  /** An elementwise op whose operand is read at the same coordinates. */
  readonly isPoint: boolean
}

const readersOf = ({ nodes, roles, reads }: Facts): readonly (readonly Reader[])[] => {
  const readers = nodes.map((): Reader[] => [])
  for (const [by, list] of reads.entries())
    for (const { from, isPoint } of list as readonly Read[])
      readers[from]?.push({ by, isPoint: isPoint && roles[by] === 'map' })
  return readers
}
