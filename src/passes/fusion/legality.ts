/** Decides which sets of nodes may be one kernel. The rules are checked in order; the first violated rule is reported. */
import type { FusionKind } from '../../ir/target.ts'
import type { Facts } from './facts.ts'
import type { Refusal } from './refusals.ts'
import type { Sketch } from './sketch.ts'

/** The rule that the kernel would violate, with its figures; null if it violates none. */
export const refusalOf = (facts: Facts, members: readonly number[], sketch: Sketch): Refusal | null => {
  for (const rule of rules) {
    const refusal = rule(facts, members, sketch)
    if (refusal !== null) return refusal
  }
  return null
}

type Rule = (facts: Facts, members: readonly number[], sketch: Sketch) => Refusal | null

/** Heroes of these kinds need their own form of loops. Reductions are compatible with every kind. */
const exclusive: readonly FusionKind[] = ['contraction', 'depthwise', 'window', 'sort']

/** The kind of the cluster's loops, if it is exclusive. This fast check decides many pairs. */
export const exclusiveKind = ({ kinds, roles }: Facts, members: readonly number[]): FusionKind | null => {
  for (const node of members) {
    const kind = kinds[node] as FusionKind
    if (roles[node] === 'hero' && exclusive.includes(kind)) return kind
  }
  return null
}

const oneKind: Rule = ({ kinds, target }, _members, { heroes, kind }) => {
  let first: FusionKind | null = null
  for (const node of heroes) {
    const own = kinds[node] as FusionKind
    if (own === first || !exclusive.includes(own)) continue
    if (first !== null) return { rule: 'kinds', kinds: [first, own] }
    first = own
  }
  return target.fusions.includes(kind) ? null : { rule: 'unsupported', kind }
}

const memoryFirst: Rule = (_facts, _members, { scattered }) => scattered && { rule: 'gather', ...scattered }

/** The right operand of a contraction is packed in advance, so it must be in memory. */
const packedOperand: Rule = ({ kinds, reads, nodes }, members, { heroes }) => {
  for (const hero of heroes) {
    if (kinds[hero] !== 'contraction' && kinds[hero] !== 'depthwise') continue
    if (nodes[hero]?.op.endsWith('FilterGradient') === true) continue
    const read = reads[hero]?.find(({ from, operand }) => operand === 1 && members.includes(from))
    if (read !== undefined) return { rule: 'packed', from: read.from, to: hero }
  }
  return null
}

const slowOnce: Rule = (_facts, _members, { repeated }) => repeated && { rule: 'repeated', ...repeated }

const isChain = ({ target }: Facts, { multiplyAdds, bytes }: Sketch): boolean =>
  multiplyAdds <= target.fusionBudget.chain.multiplyAdds && bytes <= target.fusionBudget.chain.bytes

const smallChain: Rule = (facts, _members, sketch) => {
  const count = sketch.heroes.filter((node) => exclusive.includes(facts.kinds[node] as FusionKind)).length
  return count < 2 || isChain(facts, sketch)
    ? null
    : { rule: 'chain', count, multiplyAdds: sketch.multiplyAdds, bytes: sketch.bytes }
}

const shortTail: Rule = (facts, _members, sketch) => {
  const { barrier } = sketch
  if (barrier === null || barrier.seconds <= facts.target.cost.launchSeconds) return null
  const isSmall = sketch.kind === 'contraction' && isChain(facts, sketch)
  return isSmall ? null : { rule: 'barrier', ...barrier }
}

const withinBudget: Rule = ({ target, kinds }, members, { operands, results, heroes }) => {
  const { fusionBudget: budget } = target
  let reductions = 0
  for (const node of heroes) if (kinds[node] === 'reduction') reductions++
  const tooMany = (what: string, count: number, most: number): Refusal | null =>
    count > most ? { rule: 'budget', what, count, most } : null
  return (
    tooMany('ops', members.length, budget.ops) ??
    tooMany('reductions', reductions, budget.reductions) ??
    tooMany('results', results, budget.results) ??
    tooMany('buffers', operands + results, budget.buffers)
  )
}

const rules: readonly Rule[] = [oneKind, memoryFirst, packedOperand, slowOnce, smallChain, shortTail, withinBudget]
