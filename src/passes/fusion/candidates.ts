/** Candidates: the possible fusions of a cluster, with the time that each saves. */
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'
import { exclusiveKind, refusalOf } from './legality.ts'
import { union } from './members.ts'
import type { Refusal } from './refusals.ts'
import { type Sketch, Sketcher } from './sketch.ts'

/** Times in seconds, including launches. */
export interface Times {
  /** Arithmetic and memory accesses overlap. It decides whether a fusion is worth it. */
  readonly seconds: number
  /** Arithmetic and memory accesses one after the other. It ranks fusions, because the final overlap is not known yet. */
  readonly workSeconds: number
}

/** Merges two clusters into one kernel, or copies a cheap cluster into each of its readers. `saving`: the time saved. */
export type Candidate =
  | { readonly kind: 'merge'; readonly producer: Cluster; readonly consumer: Cluster; readonly saving: number }
  | { readonly kind: 'copy'; readonly producer: Cluster; readonly saving: number }

/** A value with more readers than this is computed once and stored. */
export const readersMax = 16

/** The verdict on merging two clusters: the time saved and the times of the kernel, or the reason against it. */
export type Verdict = { readonly saving: number; readonly fused: Times } | { readonly refusal: Refusal }

/** The state of two clusters that a verdict belongs to: the version of each, and the number of reads of the first. */
interface State {
  readonly first: number
  readonly second: number
  readonly readings: number
}

/** It keeps times and verdicts while the clusters do not change, so all steps of the pass share one. */
export class Candidates {
  readonly #facts: Facts
  readonly #clusters: Clusters
  readonly #sketcher: Sketcher
  /** The times of clusters by id, with the version that they belong to. */
  readonly #times = new Map<number, Times & { readonly version: number }>()
  /** The verdicts on pairs, with the state of both clusters that they belong to. */
  readonly #verdicts = new Map<number, State & { readonly verdict: Verdict }>()

  constructor(facts: Facts, clusters: Clusters) {
    this.#facts = facts
    this.#clusters = clusters
    this.#sketcher = new Sketcher(facts, clusters)
  }

  /** The best candidate for a producer; null if nothing saves time. `isBarred`: pairs that are known to make a cycle. */
  best(producer: Cluster, isBarred: (consumer: Cluster) => boolean): Candidate | null {
    if (!this.canFuse(producer)) return null
    const readers = this.#clusters.readersOf(producer, readersMax)
    if (readers.length === 0 || readers.length > readersMax) return null
    const found: Candidate[] = []
    const readings = this.#clusters.readings(producer)
    for (const consumer of readers) {
      const verdict = isBarred(consumer) ? null : this.#judge(producer, consumer, readings)
      if (verdict !== null && 'saving' in verdict)
        found.push({ kind: 'merge', producer, consumer, saving: verdict.saving })
    }
    // If every reader can be merged with it, all may be merged in the end. That is better than computing it twice.
    const isCheap = this.#isCheap(producer)
    const canBeOne =
      isCheap &&
      readers.length > 1 &&
      found.length === readers.length &&
      readers.every((consumer) => this.#clusters.canMerge(producer, consumer))
    const copies = isCheap && !canBeOne ? this.#savingOfCopies(producer, readers) : null
    if (copies !== null) found.push({ kind: 'copy', producer, saving: copies })
    return found.reduce<Candidate | null>(
      (best, one) => (one.saving > Math.max(0, best?.saving ?? 0) ? one : best),
      null,
    )
  }

  /** Can the cluster be part of a larger kernel? */
  canFuse(cluster: Cluster): boolean {
    return this.#lonely(cluster) === null
  }

  /** Why the cluster must stay a kernel of its own, or no kernel; null: it may become a part of a larger one. */
  #lonely({ members }: Cluster): Refusal | null {
    const [first] = members
    return members.length === 1 && first !== undefined ? this.#solitude(first) : null
  }

  #solitude(node: number): Refusal | null {
    const role = this.#facts.roles[node]
    if (role === 'alone') return { rule: 'alone' }
    if (role !== 'outside') return null
    return { rule: this.#facts.nodes[node]?.op === 'reshape' ? 'view' : 'no kernel' }
  }

  /** Should the two become one kernel? It does not check for cycles. */
  judge(producer: Cluster, consumer: Cluster): Verdict {
    return this.#judge(producer, consumer, this.#clusters.readings(producer))
  }

  #judge(producer: Cluster, consumer: Cluster, readings: number): Verdict {
    const known = this.#known(producer, consumer, readings)
    if (known !== null) return known
    const verdict = this.#judged(producer, consumer)
    const state = { first: producer.version, second: consumer.version, readings, verdict }
    this.#verdicts.set(this.#keyOf(producer, consumer), state)
    return verdict
  }

  /** The verdict on the two in their present state; null if there is none. */
  #known(producer: Cluster, consumer: Cluster, readings: number): Verdict | null {
    const known = this.#verdicts.get(this.#keyOf(producer, consumer))
    const isCurrent =
      known?.first === producer.version && known.second === consumer.version && known.readings === readings
    return isCurrent ? known.verdict : null
  }

  #keyOf(producer: Cluster, consumer: Cluster): number {
    return producer.id * this.#facts.nodes.length + consumer.id
  }

  /** Merges two clusters; null if that would make a cycle. */
  merge(producer: Cluster, consumer: Cluster): Cluster | null {
    const known = this.#known(producer, consumer, this.#clusters.readings(producer))
    const merged = this.#clusters.merge(producer, consumer)
    // The verdict has the times of the merged kernel.
    if (merged !== null && known !== null && 'fused' in known)
      this.#times.set(merged.id, { version: merged.version, ...known.fused })
    return merged
  }

  #judged(producer: Cluster, consumer: Cluster): Verdict {
    const lonely = this.#lonely(producer) ?? this.#lonely(consumer)
    if (lonely !== null) return { refusal: lonely }
    const kind = exclusiveKind(this.#facts, producer.members)
    const other = kind === null ? null : exclusiveKind(this.#facts, consumer.members)
    if (kind !== null && other !== null && kind !== other) return { refusal: { rule: 'kinds', kinds: [kind, other] } }
    const members = union(producer.members, consumer.members)
    const sketch = this.#sketcher.sketch(members, producer, consumer)
    const refusal = refusalOf(this.#facts, members, sketch)
    if (refusal !== null) return { refusal }
    const first = this.timesOf(producer)
    const second = this.timesOf(consumer)
    const fused = this.#launched(sketch)
    const seconds = first.seconds + second.seconds
    return fused.seconds < seconds
      ? { saving: first.workSeconds + second.workSeconds - fused.workSeconds, fused }
      : { refusal: { rule: 'no gain', seconds, fusedSeconds: fused.seconds } }
  }

  sketchOf(cluster: Cluster): Sketch {
    return this.#sketcher.sketch(cluster.members, cluster, null)
  }

  timesOf(cluster: Cluster): Times {
    const known = this.#times.get(cluster.id)
    if (known?.version === cluster.version) return known
    const times = { version: cluster.version, ...this.#launched(this.sketchOf(cluster)) }
    this.#times.set(cluster.id, times)
    return times
  }

  #launched({ seconds, workSeconds }: Sketch): Times {
    const { launchSeconds } = this.#facts.target.cost
    return { seconds: seconds + launchSeconds, workSeconds: workSeconds + launchSeconds }
  }

  /** May its values be computed more than once? */
  #isCheap({ members }: Cluster): boolean {
    const { isSlow, roles } = this.#facts
    return members.every((node) => isSlow[node] !== true && (roles[node] === 'map' || roles[node] === 'move'))
  }

  /** The time saved if all readers compute the values of a cheap cluster themselves; null if a reader must not. */
  #savingOfCopies(producer: Cluster, readers: readonly Cluster[]): number | null {
    const facts = this.#facts
    const isNeeded = producer.members.some((node) => facts.isRoot[node] === true)
    if (readers.length < 2 && !isNeeded) return null
    const own = this.timesOf(producer)
    let [gain, saving] = isNeeded ? [0, 0] : [own.seconds, own.workSeconds]
    for (const reader of readers) {
      if (!this.canFuse(reader)) return null
      const members = union(producer.members, reader.members)
      const sketch = this.#sketcher.sketch(members, reader, null)
      if (refusalOf(facts, members, sketch) !== null) return null
      const before = this.timesOf(reader)
      const after = this.#launched(sketch)
      gain += before.seconds - after.seconds
      saving += before.workSeconds - after.workSeconds
    }
    return gain > 0 ? saving : null
  }
}
