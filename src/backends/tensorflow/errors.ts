/** Converts a status of TensorFlow to an error about the graph. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { findNode } from '../../ir/graph.ts'
import { type Graph, type Node, nodeId } from '../../ir/types.ts'

/** The values of TF_Code (tensorflow/c/tf_status.h) that get an error of their own. */
export const codes = { cancelled: 1, resourceExhausted: 8 } as const

export interface Failure {
  readonly code: number
  readonly message: string
}

/** An error of TensorFlow. The caller, who knows the graph, converts it to an EffuseError. */
export class TensorflowFailure extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** Runs `work` and converts a TensorflowFailure in it to an error about the graph. */
export const withErrors = <T>(graph: Graph | null, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    throw error instanceof TensorflowFailure ? errorOf(error.failure, graph) : error
  }
}

/**
 * @param graph The graph of the function that failed; null if the call was not that of a function.
 *
 * @param isXla XLA compiles the function in its first call
 */
export const errorOf = ({ code, message }: Failure, graph: Graph | null, isXla = false): EffuseError => {
  const place = graph === null ? null : placeIn(message, graph)
  const at = place === null ? '' : `${place.name}: `
  const path = place === null ? {} : { path: place.path }
  const said = shortened(message)
  if (code === codes.resourceExhausted)
    return new EffuseError({
      code: 'EF409',
      message: `${at}TensorFlow ran out of memory: ${said}`,
      hint: 'use a smaller batch, smaller pictures, or accumulation of gradients',
      ...path,
    })
  if (isXla)
    return new EffuseError({
      code: 'EF405',
      message: `${at}XLA cannot compile ${graph?.name ?? 'a call'}: ${said}`,
      hint: "xla: { tensorflow: 'never' } runs it with TensorFlow's own kernels",
      ...path,
    })
  return new EffuseError({
    code: 'EF405',
    message: `${at}TensorFlow refused ${graph === null ? 'a call' : graph.name}: ${said}`,
    hint: "another backend may run it: 'tfjs', or 'reference' for a check",
    ...path,
  })
}

/** The name of the failed node in a message of TensorFlow. */
const failedNode = /\{\{node ([^}]*)\}\}/g

const placeIn = (message: string, graph: Graph): { readonly path: string; readonly name: string } | null => {
  for (const [, node = ''] of message.matchAll(failedNode)) {
    const [outer, ...inner] = nodesNamed(node, graph)
    if (outer === undefined) continue
    const what = [...inner.map(({ op }) => `${op} in `).reverse(), outer.op].join('')
    return { path: outer.path, name: `${outer.path === '' ? outer.op : outer.path} (${what})` }
  }
  return null
}

/**
 * The nodes of the graph that a node of its function computes. The name of a function's node begins with n<id>/… or amp/<id>/…, where <id> is the
 * node of the graph. In a region, it has the ids of the region and of the node inside (graph-scope.ts).
 */
export const nodesNamed = (name: string, graph: Graph): readonly Node[] => {
  const ids = /(?:^|\/)(?:amp\/((?:n\d+\/)*\d+)\/|((?:n\d+\/)+))/.exec(name)
  return nodesAt(graph, [...(ids?.[1] ?? ids?.[2] ?? '').matchAll(/\d+/g)].map(Number))
}

/** The node with the first id, then the node in its body with the second id, and so on. It ends where there is no such node. */
const nodesAt = (graph: Graph, [id, ...more]: readonly number[]): readonly Node[] => {
  const node = id === undefined ? null : findNode(graph, nodeId(id))
  if (node === null) return []
  return [node, ...(node.op === 'fusion' ? nodesAt(node.attrs.body, more) : [])]
}

/** The first line without names of nodes, devices and allocators. The other lines have traces, and advice about TensorFlow's own API. */
const shortened = (message: string): string => {
  const [line = ''] = message.split('\n')
  const plain = line
    .replace(/\{\{[^}]*\}\}/g, '')
    .replace(/\[Op:[^\]]*\]|\[\[[^\]]*\]\]?/g, '')
    .replace(/\/job:\S*?\/device:/g, '')
    .replace(/ by allocator \S+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  return plain.length > 400 ? `${plain.slice(0, 400)}…` : plain
}
