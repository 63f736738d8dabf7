/** Strongly connected components of a directed graph (Tarjan 1972), without recursion, because chains are long. */

/** `component[v]` numbers the component of vertex v; `sizes` counts their vertices. Edges to vertices that do not exist are ignored. */
export const stronglyConnected = (
  edges: readonly (readonly number[])[],
): { readonly component: Int32Array; readonly sizes: readonly number[] } => {
  const count = edges.length
  const component = new Int32Array(count).fill(-1)
  const order = new Int32Array(count) // the order of the first visits, from 1; 0: not visited
  const open: number[] = [] // visited vertices whose component is not known yet
  const path: { readonly v: number; lowest: number; nextEdge: number }[] = []
  const sizes: number[] = []
  let visits = 0
  const visit = (v: number): void => {
    visits++
    order[v] = visits
    open.push(v)
    path.push({ v, lowest: visits, nextEdge: 0 })
  }
  const close = (v: number): void => {
    let size = 0
    for (let member = open.pop(); member !== undefined; member = open.pop()) {
      component[member] = sizes.length
      size++
      if (member === v) break
    }
    sizes.push(size)
  }
  const reach = (from: { lowest: number }, reached: number): void => {
    from.lowest = Math.min(from.lowest, reached)
  }
  for (let start = 0; start < count; start++) {
    if (order[start] !== 0) continue
    visit(start)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const to = edges[top.v]?.[top.nextEdge++]
      if (to === undefined) {
        path.pop()
        if (top.lowest === order[top.v]) close(top.v)
        const before = path.at(-1)
        if (before !== undefined) reach(before, top.lowest)
      } else if (order[to] === 0) visit(to)
      else if (component[to] === -1) reach(top, order[to] ?? visits)
    }
  }
  return { component, sizes }
}
