/**
 * The fusions that are never wrong, found in one walk before anything is compared: a node joins the kernel that is the only one to read it, where
 * that goes on elementwise at the same place. The queue then has far fewer clusters to judge.
 */
import type { Facts, Read } from './facts.ts'

/** For each node the last one of its chain, its own position if it begins none. */
export const chainsOf = (facts: Facts): Int32Array => {
  const { nodes, roles, kinds, reads, isRoot, target } = facts
  const chain = Int32Array.from(nodes, (_, at) => at)
  const readers = readersOf(facts)
  const ops = new Int32Array(nodes.length).fill(1)
  const operands = Int32Array.from(reads, ({ length }) => length)
  const hasHero = new Uint8Array(nodes.length)
  // Backwards: what reads a node has its chain already.
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
  /** An elementwise op that reads at the same place. */
  readonly isPoint: boolean
}

const readersOf = ({ nodes, roles, reads }: Facts): readonly (readonly Reader[])[] => {
  const readers = nodes.map((): Reader[] => [])
  for (const [by, list] of reads.entries())
    for (const { from, isPoint } of list as readonly Read[])
      readers[from]?.push({ by, isPoint: isPoint && roles[by] === 'map' })
  return readers
}
