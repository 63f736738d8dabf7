/**
 * Fuses producers with consumers, largest saving first. A heap holds the best candidate of each cluster. When a cluster changes, the candidates of
 * its neighbors are recomputed.
 */
import { makeHeap } from '../memory/heap.ts'
import type { Candidate, Candidates } from './candidates.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'

export const fuseProducers = (
  facts: Facts,
  clusters: Clusters,
  candidates: Candidates,
  report: (what: string, count?: number) => void,
): void => {
  const barred = new Barred(facts.nodes.length)
  const entries: (Entry | null)[] = []
  const heap = makeHeap((a, b) => isBefore(entries[a] as Entry, entries[b] as Entry))
  const latest = new Map<number, number>()
  const rate = (cluster: Cluster): void => {
    const candidate = candidates.best(cluster, (consumer) => barred.has(cluster, consumer))
    const stamp = entries.push(candidate === null ? null : { candidate, rank: cluster.rank, stamp: entries.length }) - 1
    if (candidate !== null) heap.push(stamp)
    latest.set(cluster.id, stamp)
  }
  for (const cluster of clusters.all()) rate(cluster)
  for (let stamp = heap.pop(); stamp !== undefined; stamp = heap.pop()) {
    const { candidate } = entries[stamp] as Entry // only candidates are pushed
    const { producer } = candidate
    if (latest.get(producer.id) !== stamp) continue
    const changed = apply(candidate, clusters, candidates, report)
    if (changed === null) {
      // Both clusters are unchanged, so only this pair is excluded.
      if (candidate.kind === 'merge') barred.add(producer, candidate.consumer)
      rate(producer)
      continue
    }
    if (clusters.find(producer.id) === null) latest.delete(producer.id)
    if (candidate.kind === 'merge' && clusters.find(candidate.consumer.id) === null)
      latest.delete(candidate.consumer.id)
    const around = new Set(changed)
    for (const cluster of changed) for (const near of clusters.producersOf(cluster)) around.add(near)
    for (const cluster of around) rate(cluster)
  }
}

/** The clusters that changed; null: a merge would make a cycle. */
const apply = (
  candidate: Candidate,
  clusters: Clusters,
  candidates: Candidates,
  report: (what: string, count?: number) => void,
): readonly Cluster[] | null => {
  if (candidate.kind === 'merge') {
    const merged = candidates.merge(candidate.producer, candidate.consumer)
    return merged === null ? null : [merged]
  }
  const readers = clusters.readersOf(candidate.producer)
  report('copied ops', candidate.producer.members.length * readers.length)
  clusters.copyIntoReaders(candidate.producer)
  return clusters.find(candidate.producer.id) === null ? readers : [candidate.producer, ...readers]
}

interface Entry {
  readonly candidate: Candidate
  readonly rank: number
  readonly stamp: number
}

/** Among equal savings the earlier producer comes first, so that equal programs are fused equally. */
const isBefore = (a: Entry, b: Entry): boolean =>
  a.candidate.saving === b.candidate.saving
    ? a.rank === b.rank
      ? a.stamp < b.stamp
      : a.rank < b.rank
    : a.candidate.saving > b.candidate.saving

/** Pairs whose merge would make a cycle. They are valid as long as both clusters are unchanged. */
class Barred {
  readonly #idMax: number
  readonly #versions = new Map<number, readonly [p: number, c: number]>()

  constructor(idMax: number) {
    this.#idMax = idMax
  }

  add(p: Cluster, c: Cluster): void {
    this.#versions.set(p.id * this.#idMax + c.id, [p.version, c.version])
  }

  has(p: Cluster, c: Cluster): boolean {
    const versions = this.#versions.get(p.id * this.#idMax + c.id)
    return versions !== undefined && versions[0] === p.version && versions[1] === c.version
  }
}
