/**
 * A partition of the nodes of a graph into clusters, in topological order: a cluster comes after the clusters that it reads. A merge keeps the order,
 * and is refused if it would make a cycle.
 *
 * Most merges need no search. If C is the first cluster that reads P, there is no path from P to C besides their edge, and both move to the place of
 * C. The same holds if P is the last cluster that C reads; then both move to the place of P. Otherwise a search visits the clusters between them, up
 * to a limit.
 */
import type { Facts, Read } from './facts.ts'
import { union } from './members.ts'

export interface Cluster {
  readonly id: number
  /** Positions of nodes, in ascending order. A node may be a copy of a node of another cluster. */
  members: readonly number[]
  /** Increases with every change of the cluster. */
  version: number
  rank: number
}

/** Instead of an owner: no cluster owns the node, but clusters have copies of it. */
const copied = -2

/** The maximum number of clusters that a search visits. Beyond it, the merge is treated as a cycle. */
const searchMax = 256

export class Clusters {
  readonly #facts: Facts
  /** The cluster that computes the value of a node for other clusters; -1: a source. */
  readonly #owner: Int32Array
  readonly #clusters: (Cluster | null)[] = []
  /** For each node the clusters that read it, other than its own. */
  readonly #readers: ReadonlySet<number>[]
  readonly #byRank: (Cluster | null)[] = []
  #versions = 0
  /** For each node the number of the last marking in which it was marked. */
  readonly #marks: Int32Array
  #marking = 0

  /** @param chain For each node the last node of its chain (chains.ts). The nodes of a chain start in one cluster. */
  constructor(facts: Facts, chain: Int32Array) {
    const { nodes, roles, reads } = facts
    this.#facts = facts
    this.#owner = new Int32Array(nodes.length).fill(-1)
    this.#marks = new Int32Array(nodes.length)
    const members = nodes.map((): number[] => [])
    for (const at of nodes.keys()) members[chain[at] as number]?.push(at)
    nodes.forEach((node, at) => {
      if (chain[at] !== at || roles[at] === 'free' || (roles[at] === 'outside' && node.inputs.length === 0)) return
      const id = this.#clusters.length
      const rank = this.#byRank.length
      const cluster = { id, members: members[at] as readonly number[], version: this.#versions++, rank }
      for (const member of cluster.members) this.#owner[member] = id
      this.#clusters.push(cluster)
      this.#byRank.push(cluster)
    })
    const readers = nodes.map(() => new Set<number>())
    reads.forEach((list, at) => {
      const owner = this.#owner[at] as number
      for (const { from } of list) if (this.#owner[from] !== owner) readers[from]?.add(owner)
    })
    this.#readers = readers
  }

  /** In topological order. */
  all(): readonly Cluster[] {
    return this.#byRank.filter((cluster) => cluster !== null)
  }

  find(id: number): Cluster | null {
    return this.#clusters[id] ?? null
  }

  /** The cluster that computes the value of the node for others; null: the node is a source. */
  ownerOf(node: number): Cluster | null {
    return this.find(this.#owner[node] as number)
  }

  /** Do clusters have the node only as a copy? */
  isCopied(node: number): boolean {
    return this.#owner[node] === copied
  }

  owns(cluster: Cluster, node: number): boolean {
    return this.#owner[node] === cluster.id
  }

  /** Do outputs, updates or other clusters need the value? `inside`: a cluster that is about to be merged with the node's cluster. */
  isResult(node: number, inside: Cluster | null = null): boolean {
    if (this.#facts.isRoot[node] === true) return true
    const readers = this.#readers[node] as ReadonlySet<number>
    return readers.size > (inside !== null && readers.has(inside.id) ? 1 : 0)
  }

  /**
   * Is the node a result of a kernel of the clusters `a` and `b`? `b` is null for a kernel of `a` alone. A kernel may also have copies of nodes, which
   * are none of its results.
   */
  isResultOf(node: number, a: Cluster, b: Cluster | null): boolean {
    const owner = this.#owner[node]
    if (owner === a.id) return this.isResult(node, b)
    return b !== null && owner === b.id && this.isResult(node, a)
  }

  /** The number of pairs of a value of this cluster and a reader. */
  readings(cluster: Cluster): number {
    let count = 0
    for (const node of cluster.members)
      if (this.owns(cluster, node)) count += (this.#readers[node] as ReadonlySet<number>).size
    return count
  }

  /** The clusters that read a node, other than its own. */
  readersOfValue(node: number): readonly Cluster[] {
    return [...(this.#readers[node] as ReadonlySet<number>)].map((id) => this.#clusters[id] as Cluster)
  }

  /** The clusters that read a value of this cluster: at most `most` + 1 of them. */
  readersOf(cluster: Cluster, most: number = Infinity): readonly Cluster[] {
    const found = new Set<number>()
    for (const node of cluster.members) {
      if (!this.owns(cluster, node)) continue
      for (const id of this.#readers[node] ?? []) {
        found.add(id)
        if (found.size > most) break
      }
    }
    return [...found].map((id) => this.#clusters[id] as Cluster)
  }

  /** The clusters that this cluster reads. */
  producersOf(cluster: Cluster): readonly Cluster[] {
    const found = new Set<number>()
    this.#mark(cluster)
    for (const node of cluster.members)
      for (const { from } of this.#facts.reads[node] as readonly Read[]) {
        const owner = this.#owner[from] as number
        if (owner >= 0 && !this.#isMarked(from)) found.add(owner)
      }
    return [...found].map((id) => this.#clusters[id] as Cluster)
  }

  /** The values that the cluster reads from outside. */
  operandsOf(cluster: Cluster): ReadonlySet<number> {
    const found = new Set<number>()
    this.#mark(cluster)
    for (const node of cluster.members)
      for (const { from } of this.#facts.reads[node] as readonly Read[]) if (!this.#isMarked(from)) found.add(from)
    return found
  }

  /** Marks the members of the cluster, until the next call. */
  #mark({ members }: Cluster): void {
    this.#marking++
    for (const node of members) this.#marks[node] = this.#marking
  }

  #isMarked(node: number): boolean {
    return this.#marks[node] === this.#marking
  }

  /** Merges two clusters; null if that would make a cycle. `p` is the producer. */
  merge(p: Cluster, c: Cluster): Cluster | null {
    const rank = this.#sharedRank(p, c)
    if (rank === null) return null
    const [gone, merged] = p.members.length < c.members.length ? [p, c] : [c, p]
    for (const { rank: old } of [p, c]) if (this.#byRank[old] === p || this.#byRank[old] === c) this.#byRank[old] = null
    const operands = [this.operandsOf(p), this.operandsOf(c)]
    for (const node of gone.members) if (this.owns(gone, node)) this.#owner[node] = merged.id
    merged.members = union(p.members, c.members)
    merged.version = this.#versions++
    this.#clusters[gone.id] = null
    merged.rank = rank
    this.#byRank[rank] = merged
    this.#mark(merged)
    for (const list of operands)
      for (const node of list) {
        const readers = this.#readers[node] as Set<number>
        readers.delete(gone.id)
        if (this.#isMarked(node)) readers.delete(merged.id)
        else readers.add(merged.id)
      }
    return merged
  }

  /** Each reader computes the values of `p` itself. `p` stays only if outputs or updates need it. */
  copyIntoReaders(p: Cluster): void {
    const operands = this.operandsOf(p)
    for (const reader of this.readersOf(p)) {
      reader.members = union(p.members, reader.members)
      reader.version = this.#versions++
      for (const node of operands)
        if (!reader.members.includes(node)) (this.#readers[node] as Set<number>).add(reader.id)
    }
    for (const node of p.members) (this.#readers[node] as Set<number>).clear()
    p.version = this.#versions++
    if (p.members.some((node) => this.#facts.isRoot[node] === true)) return
    for (const node of operands) (this.#readers[node] as Set<number>).delete(p.id)
    for (const node of p.members) this.#owner[node] = copied
    this.#clusters[p.id] = null
    this.#byRank[p.rank] = null
  }

  /** Can the two be merged without a cycle? False if the search reaches its limit without an answer. */
  canMerge(p: Cluster, c: Cluster): boolean {
    return this.#isFirstReader(p, c) || this.#isLastProducer(p, c) || this.#between(p, c) !== null
  }

  /** A rank for the merged cluster; other clusters may move. Null: there is another path between the two. */
  #sharedRank(p: Cluster, c: Cluster): number | null {
    if (this.#isFirstReader(p, c)) return c.rank
    if (this.#isLastProducer(p, c)) return p.rank
    const between = this.#between(p, c)
    if (between === null) return null
    const { before, after } = between
    const moving = [...before, ...after]
    const ranks = [p, c, ...moving].map(({ rank }) => rank).toSorted((x, y) => x - y)
    const own = ranks[before.length] as number
    const others = ranks.filter((rank) => rank !== own)
    for (const rank of ranks) this.#byRank[rank] = null
    for (const [at, cluster] of moving.entries()) {
      // One rank stays unused: the last one.
      cluster.rank = others[at] as number
      this.#byRank[cluster.rank] = cluster
    }
    return own
  }

  #isFirstReader(p: Cluster, c: Cluster): boolean {
    for (const node of p.members) {
      if (!this.owns(p, node)) continue
      for (const id of this.#readers[node] ?? []) if ((this.#clusters[id] as Cluster).rank < c.rank) return false
    }
    return true
  }

  #isLastProducer(p: Cluster, c: Cluster): boolean {
    for (const node of c.members)
      for (const { from } of this.#facts.reads[node] ?? []) {
        const owner = this.#owner[from] as number
        if (owner < 0 || (this.#clusters[owner] as Cluster).rank <= p.rank) continue
        if (!c.members.includes(from)) return false
      }
    return true
  }

  /**
   * The clusters between the ranks of the two that depend on `p`, and those that `c` depends on, each in order. Null if one of the former leads to
   * `c`, or if there are too many.
   */
  #between(p: Cluster, c: Cluster): { readonly before: readonly Cluster[]; readonly after: readonly Cluster[] } | null {
    const after = this.#reached(p, c, (cluster, visit) => {
      for (const node of cluster.members)
        if (this.owns(cluster, node)) for (const id of this.#readers[node] as ReadonlySet<number>) visit(id)
    })
    if (after === null) return null
    const before = this.#reached(c, p, (cluster, visit) => {
      this.#mark(cluster)
      for (const node of cluster.members)
        for (const { from } of this.#facts.reads[node] as readonly Read[])
          if ((this.#owner[from] as number) >= 0 && !this.#isMarked(from)) visit(this.#owner[from] as number)
    })
    return before === null ? null : { before, after }
  }

  /**
   * The clusters between the ranks of the two that a walk from `start` reaches, in order. Null if it reaches `end` by more than one step, or too many
   * clusters. `near` visits the next clusters of the walk.
   */
  #reached(
    start: Cluster,
    end: Cluster,
    near: (cluster: Cluster, visit: (id: number) => void) => void,
  ): readonly Cluster[] | null {
    const low = Math.min(start.rank, end.rank)
    const high = Math.max(start.rank, end.rank)
    const found = new Set<Cluster>()
    let meetsEnd = false
    // The edge between the two is no path.
    const visit = (id: number): void => {
      const cluster = this.#clusters[id] as Cluster
      if (cluster.rank > low && cluster.rank < high) found.add(cluster)
      else if (cluster === end) meetsEnd = true
    }
    near(start, visit)
    meetsEnd = false
    // Iteration over a Set also visits elements that are added during it.
    for (const cluster of found) {
      if (found.size >= searchMax) return null
      near(cluster, visit)
      if (meetsEnd) return null
    }
    return [...found].toSorted((x, y) => x.rank - y.rank)
  }
}
