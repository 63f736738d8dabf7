/**
 * A sketch describes the kernel that a set of nodes would become: how often each value is computed, which values go through memory, and which work
 * must wait for other work of the kernel. Legality and cost are derived from it.
 *
 * It assumes this lowering: a value that depends on a hero, or that is a result, is computed once. Readers at the same coordinates use it from a
 * register; all other readers load it from memory in a later phase. A value that depends on no hero is recomputed by each reader.
 */
import type { FusionKind, TargetInfo } from '../../ir/target.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts, Read } from './facts.ts'

export interface Sketch {
  readonly kind: FusionKind
  /** The nodes that combine elements, by position. */
  readonly heroes: readonly number[]
  readonly results: number
  /** The number of values from outside. */
  readonly operands: number
  readonly multiplyAdds: number
  /** The bytes of operands and results. */
  readonly bytes: number
  /** The time without the launch, if arithmetic and memory accesses overlap. */
  readonly seconds: number
  /** The time without the launch, if they do not overlap. */
  readonly workSeconds: number
  /** A slow op that is computed more than once per element. */
  readonly repeated: { readonly node: number; readonly by: number; readonly times: number } | null
  /** The first read that needs other work of the kernel to be complete, and the time of the work after all such reads. */
  readonly barrier: { readonly from: number; readonly to: number; readonly seconds: number } | null
  /** A read that needs its operand in memory before the kernel starts. */
  readonly scattered: { readonly from: number; readonly to: number } | null
}

/** Makes sketches. Its tables are by position and are reused for each sketch, because there are many sketches of few nodes. */
export class Sketcher {
  readonly #facts: Facts
  readonly #clusters: Clusters
  /** For each node the number of the last sketch in which it was a member, an operand, and so on. */
  readonly #member: Int32Array
  readonly #operand: Int32Array
  readonly #temporary: Int32Array
  readonly #late: Int32Array
  readonly #isResult: Uint8Array
  /** Depends on a hero of the region. */
  readonly #isDerived: Uint8Array
  /** Comes after a barrier. */
  readonly #isLate: Uint8Array
  /** How often a value is computed per element. */
  readonly #times: Float64Array
  #number = 0

  constructor(facts: Facts, clusters: Clusters) {
    const { length } = facts.nodes
    this.#facts = facts
    this.#clusters = clusters
    this.#member = new Int32Array(length)
    this.#operand = new Int32Array(length)
    this.#temporary = new Int32Array(length)
    this.#late = new Int32Array(length)
    this.#isResult = new Uint8Array(length)
    this.#isDerived = new Uint8Array(length)
    this.#isLate = new Uint8Array(length)
    this.#times = new Float64Array(length)
  }

  /**
   * The kernel of these members. Its results are those of the cluster `a`, and of `b` if there is one, without those that only the other reads.
   *
   * @param members Positions in ascending order.
   */
  sketch(members: readonly number[], a: Cluster, b: Cluster | null): Sketch {
    const { roles, nodes, kinds, multiplyAdds } = this.#facts
    const stamp = ++this.#number
    const heroes: number[] = []
    const gathers: number[] = []
    let results = 0
    let multiplied = 0
    let isMovement = true
    for (const node of members) {
      const isResult = this.#clusters.isResultOf(node, a, b)
      this.#member[node] = stamp
      this.#isResult[node] = isResult ? 1 : 0
      if (isResult) results++
      if (roles[node] === 'hero' || roles[node] === 'alone') {
        heroes.push(node)
        multiplied += multiplyAdds[node] as number
      }
      if (nodes[node]?.op === 'gather') gathers.push(node)
      isMovement &&= kinds[node] === 'movement'
    }
    const barrier = this.#forward(members)
    const repeated = this.#backward(members)
    const { operands, bytes, seconds, workSeconds, lateSeconds } = this.#work(members)
    return {
      kind: this.#heroKind(heroes) ?? (isMovement ? 'movement' : 'loop'),
      heroes,
      results,
      operands,
      multiplyAdds: multiplied,
      bytes,
      seconds,
      workSeconds,
      repeated,
      barrier: barrier && { ...barrier, seconds: lateSeconds },
      scattered: this.#scattered(gathers),
    }
  }

  /** The kind follows from the heroes: contraction first, then windows, then reductions. Without heroes it is a loop, or only movement. */
  #heroKind(heroes: readonly number[]): FusionKind | null {
    const { kinds } = this.#facts
    if (heroes.length === 0) return null
    return order.find((kind) => heroes.some((node) => kinds[node] === kind)) ?? null
  }

  #isInside(node: number): boolean {
    return this.#member[node] === this.#number
  }

  /** Is the value computed once? Readers at other coordinates then load it from memory. */
  #isStored(node: number): boolean {
    return this.#isDerived[node] === 1 || this.#isResult[node] === 1
  }

  /** Does the read need the complete value? A value that is repeated along a row needs only that row, if the row fits into the cache. */
  #isBarrier({ from, isPoint, rowBytes }: Read): boolean {
    return !isPoint && rowBytes > this.#facts.target.cost.cacheBytes && this.#isStored(from)
  }

  /** Finds the members that depend on heroes, and those after a barrier. Returns the first barrier. */
  #forward(members: readonly number[]): { readonly from: number; readonly to: number } | null {
    const { roles, reads } = this.#facts
    let barrier: { readonly from: number; readonly to: number } | null = null
    for (const node of members) {
      let isDerived = roles[node] === 'hero' || roles[node] === 'alone'
      let isLate = false
      for (const read of reads[node] as readonly Read[]) {
        if (!this.#isInside(read.from)) continue
        isDerived ||= this.#isDerived[read.from] === 1
        isLate ||= this.#isLate[read.from] === 1
        if (!this.#isBarrier(read)) continue
        isLate = true
        barrier ??= { from: read.from, to: node }
      }
      this.#isDerived[node] = isDerived ? 1 : 0
      this.#isLate[node] = isLate ? 1 : 0
    }
    return barrier
  }

  /** Computes how often each value is computed. Returns the slow op that is repeated most often. */
  #backward(members: readonly number[]): Sketch['repeated'] {
    const { roles, reads, isSlow } = this.#facts
    const times = this.#times
    for (const node of members) times[node] = this.#isResult[node] === 1 || roles[node] === 'hero' ? 1 : 0
    let repeated: Sketch['repeated'] = null
    for (let at = members.length - 1; at >= 0; at--) {
      const node = members[at] as number
      for (const read of reads[node] as readonly Read[]) {
        const { from, isPoint } = read
        if (!this.#isInside(from) || roles[from] === 'hero') continue
        const asked = !isPoint && this.#isStored(from) ? 1 : (times[node] as number) * read.times
        times[from] = Math.max(times[from] as number, asked)
        if (isSlow[from] === true && asked > Math.max(onceOrSo, repeated?.times ?? 0))
          repeated = { node: from, by: node, times: asked }
      }
    }
    return repeated
  }

  /** Time and bytes. A value that one phase writes and another reads is free if it fits into the cache. */
  #work(members: readonly number[]): {
    readonly operands: number
    readonly bytes: number
    readonly seconds: number
    readonly workSeconds: number
    readonly lateSeconds: number
  } {
    const { reads, bytes: sizes, flops: work, target } = this.#facts
    const stamp = this.#number
    // Single variables: this is the innermost loop of fusion, and a pattern on the left makes a list for each node.
    let operands = 0
    let bytes = 0
    let temporaryBytes = 0
    let flops = 0
    let lateBytes = 0
    let lateFlops = 0
    for (const node of members) {
      const isLate = this.#isLate[node] === 1
      const own = (work[node] as number) * (this.#times[node] as number)
      const written = this.#isResult[node] === 1 ? (sizes[node] as number) : 0
      flops += own
      bytes += written
      if (isLate) lateFlops += own
      if (isLate) lateBytes += written
      for (const read of reads[node] as readonly Read[]) {
        const { from } = read
        const size = sizes[from] as number
        const isInside = this.#isInside(from)
        if (!isInside && this.#operand[from] !== stamp) {
          this.#operand[from] = stamp
          operands++
          bytes += size
        }
        if (isInside && !this.#isStored(from)) flops += read.panelFlops
        if (isInside && !this.#isBarrier(read)) continue
        if (isLate && this.#late[from] !== stamp) {
          this.#late[from] = stamp
          lateBytes += size
        }
        if (!isInside || size <= target.cost.cacheBytes || this.#temporary[from] === stamp) continue
        this.#temporary[from] = stamp
        temporaryBytes += this.#isResult[from] === 1 ? size : 2 * size
      }
    }
    return {
      operands,
      bytes,
      seconds: secondsOf(target, flops, bytes + temporaryBytes),
      workSeconds: secondsOf(target, flops, 0) + secondsOf(target, 0, bytes + temporaryBytes),
      lateSeconds: secondsOf(target, lateFlops, lateBytes),
    }
  }

  /** A gather may read any element, so its operand must be in memory. */
  #scattered(gathers: readonly number[]): Sketch['scattered'] {
    for (const node of gathers) {
      const read = this.#facts.reads[node]?.find(({ from, operand }) => operand === 0 && this.#isInside(from))
      if (read !== undefined) return { from: read.from, to: node }
    }
    return null
  }
}

/** Windows at borders read an element slightly less than once on average. */
const onceOrSo = 1.001

const order: readonly FusionKind[] = ['sort', 'contraction', 'depthwise', 'window', 'reduction']

const secondsOf = ({ cost }: TargetInfo, flops: number, bytes: number): number =>
  Math.max(flops / cost.flopsPerSecond, bytes / cost.bytesPerSecond)
