/**
 * A sketch of the kernel that a set of nodes would become: how often each value is computed, what goes through memory, which work waits until
 * other work of the kernel has ended. Legality and cost are read from it.
 *
 * The lowering that it assumes: a value that depends on a hero, or that is a result, is computed once. Who reads it at the same place has it in a
 * register; all others read it from memory, in a later phase. What depends on no hero is computed wherever it is read.
 */
import type { FusionKind, TargetInfo } from '../../ir/target.ts'
import type { Facts, Read } from './facts.ts'

export interface Sketch {
  readonly kind: FusionKind
  /** Nodes that combine elements, by position. */
  readonly heroes: readonly number[]
  readonly results: number
  /** Values that come from outside. */
  readonly operands: number
  readonly multiplyAdds: number
  /** Of operands and results. */
  readonly bytes: number
  /** Without the launch: arithmetic and memory at the same time. */
  readonly seconds: number
  /** The same one after the other. */
  readonly workSeconds: number
  /** A slow op that is computed more than once for an element. */
  readonly repeated: { readonly node: number; readonly by: number; readonly times: number } | null
  /** The first read that needs other work of the kernel to be complete, and the time that the work after such reads takes. */
  readonly barrier: { readonly from: number; readonly to: number; readonly seconds: number } | null
  /** A read that needs its operand in memory before the kernel starts. */
  readonly scattered: { readonly from: number; readonly to: number } | null
}

/** Which members' values are results: others read them. */
export type IsResult = (member: number) => boolean

/** Makes sketches. Its tables are by position, and are used again for each, because there are many sketches of few nodes. */
export class Sketcher {
  readonly #facts: Facts
  /** The number of the sketch in which a node was a member, an operand, ... last. */
  readonly #member: Int32Array
  readonly #operand: Int32Array
  readonly #temporary: Int32Array
  readonly #late: Int32Array
  readonly #isResult: Uint8Array
  /** Depends on a hero of the region. */
  readonly #isDerived: Uint8Array
  /** Comes after a barrier. */
  readonly #isLate: Uint8Array
  /** How often a value is computed for one of its elements. */
  readonly #times: Float64Array
  #number = 0

  constructor(facts: Facts) {
    const { length } = facts.nodes
    this.#facts = facts
    this.#member = new Int32Array(length)
    this.#operand = new Int32Array(length)
    this.#temporary = new Int32Array(length)
    this.#late = new Int32Array(length)
    this.#isResult = new Uint8Array(length)
    this.#isDerived = new Uint8Array(length)
    this.#isLate = new Uint8Array(length)
    this.#times = new Float64Array(length)
  }

  /** @param members Positions, ascending. */
  sketch(members: readonly number[], isResult: IsResult): Sketch {
    const { roles, nodes, multiplyAdds } = this.#facts
    this.#number++
    let results = 0
    for (const node of members) {
      this.#member[node] = this.#number
      this.#isResult[node] = isResult(node) ? 1 : 0
      results += this.#isResult[node] as number
    }
    const barrier = this.#forward(members)
    const repeated = this.#backward(members)
    const { operands, bytes, seconds, workSeconds, lateSeconds } = this.#work(members)
    const heroes = members.filter((node) => roles[node] === 'hero' || roles[node] === 'alone')
    return {
      kind: this.#kind(members, heroes),
      heroes,
      results,
      operands,
      multiplyAdds: heroes.reduce((sum, node) => sum + (multiplyAdds[node] as number), 0),
      bytes,
      seconds,
      workSeconds,
      repeated,
      barrier: barrier && { ...barrier, seconds: lateSeconds },
      scattered: this.#scattered(members.filter((node) => nodes[node]?.op === 'gather')),
    }
  }

  /** By its heroes: a contraction before all, then windows, then reductions; without heroes a loop, or movement alone. */
  #kind(members: readonly number[], heroes: readonly number[]): FusionKind {
    const { kinds } = this.#facts
    const found = order.find((kind) => heroes.some((node) => kinds[node] === kind))
    return found ?? (members.every((node) => kinds[node] === 'movement') ? 'movement' : 'loop')
  }

  #isInside(node: number): boolean {
    return this.#member[node] === this.#number
  }

  /** A value of a member that others than its direct followers read from memory. */
  #isStored(node: number): boolean {
    return this.#isDerived[node] === 1 || this.#isResult[node] === 1
  }

  /** Reductions take values as they are made, and what is repeated along a row needs that row alone. */
  #isBarrier({ from, isPoint, rowBytes }: Read): boolean {
    return !isPoint && rowBytes > this.#facts.target.cost.cacheBytes && this.#isStored(from)
  }

  /** Which members depend on heroes, and which come after a barrier. Returns the first barrier. */
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

  /** How often each value is computed. Returns the slow op that is repeated most. */
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

  /** Time and bytes. What one phase writes and another reads costs nothing while it fits into the cache. */
  #work(members: readonly number[]): {
    readonly operands: number
    readonly bytes: number
    readonly seconds: number
    readonly workSeconds: number
    readonly lateSeconds: number
  } {
    const { reads, bytes: sizes, flops: work, target } = this.#facts
    const stamp = this.#number
    let [operands, bytes, temporaryBytes, flops, lateBytes, lateFlops] = [0, 0, 0, 0, 0, 0]
    for (const node of members) {
      const [isLate, own] = [this.#isLate[node] === 1, (work[node] as number) * (this.#times[node] as number)]
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

  /** A gather may ask for any element, so what it gathers from lies in memory. */
  #scattered(gathers: readonly number[]): Sketch['scattered'] {
    for (const node of gathers) {
      const read = this.#facts.reads[node]?.find(({ from, operand }) => operand === 0 && this.#isInside(from))
      if (read !== undefined) return { from: read.from, to: node }
    }
    return null
  }
}

/** Windows at borders ask a little less than once for an element. */
const onceOrSo = 1.001

const order: readonly FusionKind[] = ['sort', 'contraction', 'depthwise', 'window', 'reduction']

const secondsOf = ({ cost }: TargetInfo, flops: number, bytes: number): number =>
  Math.max(flops / cost.flopsPerSecond, bytes / cost.bytesPerSecond)
