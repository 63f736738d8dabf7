/**
 * A limit for the nodes in the bodies of composites. If each of a row of functions applies the one before it twice, each doubles the nodes: a few dozen
 * would exhaust the memory.
 */
import { EffuseError } from './diagnostics.ts'
import { isRegion } from './graph.ts'
import type { Graph, Node } from './types.ts'

/** So many nodes are made in less than half a minute. */
export const bodyNodesMax = 100_000

/** The nodes of a body and of the bodies inside of it, each time that they are used. */
export const bodySize = (body: Graph): number => {
  const known = sizes.get(body)
  if (known !== undefined) return known
  let size = body.nodes.length
  for (const node of body.nodes) if (node !== null && isRegion(node)) size += bodySize(node.attrs.body)
  sizes.set(body, size)
  return size
}
const sizes = new WeakMap<Graph, number>()

/** The error EF305 about a composite with too many nodes. */
export const bodyTooLarge = ({ path, attrs: { name, body } }: Node<'composite'>): EffuseError =>
  new EffuseError({
    code: 'EF305',
    path,
    message: `the composite "${name}"${path === '' ? '' : ` at ${path}`} has ${bodySize(body)} nodes with those of the composites that it applies; ${bodyNodesMax} are possible`,
    hint: 'each composite counts as often as it is applied: apply it once and use its result again, or nest fewer levels',
  })
