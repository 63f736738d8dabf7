/**
 * Maximum flow by Dinic's algorithm. Capacities are triples, compared lexicographically. Triples form an ordered group under componentwise
 * sums; augmenting paths and the max-flow min-cut theorem need no more. As single numbers, the products of their weights would exceed 2^53.
 * Components stay integers, so sums are exact.
 */

/** Compared from the first component on. */
export type Triple = readonly [number, number, number]

/** Larger than any sum of first components here, and small enough that sums of a few thousand are exact. */
export const infinite: Triple = [2 ** 40, 0, 0]

export interface FlowNetwork {
  /** Arcs must be added before the flow is computed. */
  addArc(from: number, to: number, capacity: Triple): void
  /** Computes the maximum flow and returns its amount, which is the capacity of every minimum cut. */
  maximise(source: number, sink: number): Triple
  /**
   * After maximise: the nodes from which the sink can still be reached. Of all minimum cuts this one has the fewest nodes on the sink's
   * side. It is the same for every maximum flow.
   */
  sinkSide(sink: number): Uint8Array
}

/** A network of `nodeCount` nodes without arcs. */
export const makeFlowNetwork = (nodeCount: number): FlowNetwork => {
  const adding: { readonly from: number; readonly to: number; readonly capacity: Triple }[] = []
  let arcs: Arcs | null = null
  const built = (): Arcs => {
    arcs ??= arcsOf(nodeCount, adding)
    return arcs
  }
  return {
    addArc: (from, to, capacity) => void adding.push({ from, to, capacity }),
    maximise: (source, sink) => maximise(built(), nodeCount, source, sink),
    sinkSide: (sink) => reaching(built(), nodeCount, sink),
  }
}

/** Arc `2i + 1` is the reverse of arc `2i`. Arcs out of node n: `order[start[n]]` up to `start[n + 1]`. */
interface Arcs {
  readonly heads: Int32Array
  readonly start: Int32Array
  readonly order: Int32Array
  /** Residual capacity of each arc, by component. */
  readonly left: readonly [Float64Array, Float64Array, Float64Array]
}

const arcsOf = (
  nodeCount: number,
  list: readonly { readonly from: number; readonly to: number; readonly capacity: Triple }[],
): Arcs => {
  const count = 2 * list.length
  const heads = new Int32Array(count)
  const tails = new Int32Array(count)
  const left = [new Float64Array(count), new Float64Array(count), new Float64Array(count)] as const
  list.forEach(({ from, to, capacity }, i) => {
    heads[2 * i] = to
    heads[2 * i + 1] = from
    tails[2 * i] = from
    tails[2 * i + 1] = to
    left.forEach((component, c) => {
      component[2 * i] = capacity[c] as number // a triple has three
    })
  })
  const start = new Int32Array(nodeCount + 1)
  for (const tail of tails) start[tail + 1] = (start[tail + 1] as number) + 1
  for (let node = 0; node < nodeCount; node++) start[node + 1] = (start[node + 1] as number) + (start[node] as number)
  const next = Int32Array.from(start)
  const order = new Int32Array(count)
  tails.forEach((tail, arc) => {
    order[next[tail] as number] = arc
    next[tail] = (next[tail] as number) + 1
  })
  return { heads, start, order, left }
}

// The assertions below are safe: indices come from the arrays' lengths.

const isOpen = ({ left: [a, b, c] }: Arcs, arc: number): boolean => {
  const first = a[arc] as number
  if (first !== 0) return first > 0
  const second = b[arc] as number
  return second !== 0 ? second > 0 : (c[arc] as number) > 0
}

const maximise = (arcs: Arcs, nodeCount: number, source: number, sink: number): Triple => {
  const total: [number, number, number] = [0, 0, 0]
  const level = new Int32Array(nodeCount)
  for (;;) {
    if (!findLevels(arcs, level, source, sink)) return total
    const cursor = arcs.start.slice(0, nodeCount)
    blockingFlow(arcs, level, cursor, source, sink, total)
  }
}

/** Distances from the source over open arcs; false if the sink cannot be reached. */
const findLevels = (arcs: Arcs, level: Int32Array, source: number, sink: number): boolean => {
  level.fill(-1)
  level[source] = 0
  const queue = [source]
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at] as number
    for (let i = arcs.start[node] as number; i < (arcs.start[node + 1] as number); i++) {
      const arc = arcs.order[i] as number
      const head = arcs.heads[arc] as number
      if (level[head] !== -1 || !isOpen(arcs, arc)) continue
      level[head] = (level[node] as number) + 1
      queue.push(head)
    }
  }
  return level[sink] !== -1
}

/** Saturates an arc on every shortest path. It uses a stack, because paths are as long as the model is deep. */
const blockingFlow = (
  arcs: Arcs,
  level: Int32Array,
  cursor: Int32Array,
  source: number,
  sink: number,
  total: [number, number, number],
): void => {
  const path: number[] = []
  let node = source
  for (;;) {
    if (node === sink) {
      const tight = push(arcs, path, total)
      path.length = tight
      node = tight === 0 ? source : (arcs.heads[path[tight - 1] as number] as number)
    }
    const arc = nextArc(arcs, level, cursor, node)
    if (arc !== -1) {
      path.push(arc)
      node = arcs.heads[arc] as number
      continue
    }
    const back = path.pop()
    if (back === undefined) return
    node = arcs.heads[back ^ 1] as number
    cursor[node] = (cursor[node] as number) + 1
  }
}

/** The next open arc to the next level, or -1. */
const nextArc = (arcs: Arcs, level: Int32Array, cursor: Int32Array, node: number): number => {
  const end = arcs.start[node + 1] as number
  for (; (cursor[node] as number) < end; cursor[node] = (cursor[node] as number) + 1) {
    const arc = arcs.order[cursor[node] as number] as number
    if (level[arcs.heads[arc] as number] === (level[node] as number) + 1 && isOpen(arcs, arc)) return arc
  }
  return -1
}

/** Sends the smallest residual capacity along the path; returns the position of the first arc that is now saturated. */
const push = ({ left: [a, b, c] }: Arcs, path: readonly number[], total: [number, number, number]): number => {
  let [least, tight] = [path[0] as number, 0]
  path.forEach((arc, at) => {
    const difference =
      (a[arc] as number) - (a[least] as number) ||
      (b[arc] as number) - (b[least] as number) ||
      (c[arc] as number) - (c[least] as number)
    if (difference < 0) [least, tight] = [arc, at]
  })
  const amount: Triple = [a[least] as number, b[least] as number, c[least] as number]
  ;[a, b, c].forEach((component, i) => {
    const sent = amount[i] as number
    for (const arc of path) {
      component[arc] = (component[arc] as number) - sent
      component[arc ^ 1] = (component[arc ^ 1] as number) + sent
    }
    total[i] = (total[i] as number) + sent
  })
  return tight
}

/** The nodes from which `sink` can be reached over open arcs. */
const reaching = (arcs: Arcs, nodeCount: number, sink: number): Uint8Array => {
  const reached = new Uint8Array(nodeCount)
  reached[sink] = 1
  const queue = [sink]
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at] as number
    for (let i = arcs.start[node] as number; i < (arcs.start[node + 1] as number); i++) {
      const into = (arcs.order[i] as number) ^ 1
      const tail = arcs.heads[into ^ 1] as number
      if (reached[tail] === 1 || !isOpen(arcs, into)) continue
      reached[tail] = 1
      queue.push(tail)
    }
  }
  return reached
}
