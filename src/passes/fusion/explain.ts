/** Answers which kernel a node is in, and why it is not fused with its neighbors. */
import { shortList } from '../../ir/listed.ts'
import type { Node } from '../../ir/types.ts'
import type { Cluster } from './clusters.ts'
import type { FusionDecision, Refused } from './decision.ts'
import { type FusionRule, nameOf, refusalText } from './refusals.ts'

export interface FusionNote {
  /** The kernel of the requested nodes, or why they are in none. */
  readonly text: string
  /** The names of the nodes of the kernel, in order. Empty if the node is in no kernel. */
  readonly fusedWith: readonly string[]
  /** The kernels before and after it. */
  readonly notFused: readonly {
    readonly node: string
    readonly is: 'before' | 'after'
    readonly rule: FusionRule
    readonly why: string
  }[]
}

/** A note for each kernel that contains a requested node, then one note for requested nodes without a kernel of their own. */
export const explainFusion = (decision: FusionDecision, isAsked: (node: Node) => boolean): readonly FusionNote[] => {
  const { facts, clusters } = decision
  const asked = new Set(facts.nodes.flatMap((node, at) => (isAsked(node) ? [at] : [])))
  const kernels = clusters.all().filter(({ members }) => members.some((at) => asked.has(at)))
  const apart = [...asked].filter((at) => facts.roles[at] === 'free').map((at) => nameOf(facts.nodes[at] as Node))
  const notes = kernels.map((cluster) => kernelNote(decision, cluster, asked))
  if (apart.length === 0) return notes
  const text = `${shortList([...new Set(apart)])}: without cost, so each kernel that reads it computes it`
  return [...notes, { text, fusedWith: [], notFused: [] }]
}

const kernelNote = (decision: FusionDecision, cluster: Cluster, asked: ReadonlySet<number>): FusionNote => {
  const { facts, refused } = decision
  const name = (at: number): string => nameOf(facts.nodes[at] as Node)
  const [first] = cluster.members as readonly [number, ...number[]] // a cluster has members
  const own = cluster.members.filter((at) => asked.has(at)).map(name)
  const others = cluster.members.filter((at) => !asked.has(at)).map(name)
  const isOutside = facts.roles[first] === 'outside'
  const near = isOutside ? [] : refused.filter(({ producer, consumer }) => producer === cluster || consumer === cluster)
  return {
    text: isOutside
      ? `${name(first)} is in no kernel: ${facts.nodes[first]?.op === 'reshape' ? 'it is a view of the same memory' : 'it has no kernel that can be part of a region'}`
      : `${own.join(', ')}: one kernel${others.length === 0 ? '' : ` with ${others.join(', ')}`}`,
    fusedWith: isOutside ? [] : cluster.members.map(name),
    notFused: near.map((pair) => neighbour(decision, pair, cluster)),
  }
}

const neighbour = (
  { facts }: FusionDecision,
  { producer, consumer, refusal }: Refused,
  cluster: Cluster,
): FusionNote['notFused'][number] => {
  const isBefore = consumer === cluster
  // The value that is read names the preceding kernel; its reader names the following kernel.
  const read = consumer.members.flatMap((at) =>
    (facts.reads[at] ?? []).filter(({ from }) => producer.members.includes(from)).map(({ from }) => ({ from, at })),
  )[0]
  const at = isBefore ? (read?.from ?? producer.members.at(-1)) : (read?.at ?? consumer.members[0])
  return {
    node: nameOf(facts.nodes[at as number] as Node), // a cluster has members
    is: isBefore ? 'before' : 'after',
    rule: refusal.rule,
    why: refusalText(refusal, facts.nodes, facts.target),
  }
}
