/** From TensorFlow's status to an error about the graph. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { findNode } from '../../ir/graph.ts'
import { type Graph, nodeId } from '../../ir/types.ts'

/** TF_Code of tensorflow/c/tf_status.h, those that are told apart. */
export const codes = { cancelled: 1, resourceExhausted: 8 } as const

export interface Failure {
  readonly code: number
  readonly message: string
}

/** What TensorFlow said, before it is known of which graph. */
export class TensorflowFailure extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** Runs `work`; a failure of TensorFlow in it becomes an error about the graph. */
export const withErrors = <T>(graph: Graph | null, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    throw error instanceof TensorflowFailure ? errorOf(error.failure, graph) : error
  }
}

/** `graph`: that of the function that failed; null for what is no function. `isXla`: XLA compiles it, in its first call. */
export const errorOf = ({ code, message }: Failure, graph: Graph | null, isXla = false): EffuseError => {
  const path = graph === null ? null : pathIn(message, graph)
  const at = path === null ? '' : `${path}: `
  const said = shortened(message)
  if (code === codes.resourceExhausted)
    return new EffuseError({
      code: 'EF409',
      message: `${at}TensorFlow has not enough memory: ${said}`,
      hint: 'a smaller batch, smaller pictures, or accumulation of gradients',
      ...(path === null ? {} : { path }),
    })
  if (isXla)
    return new EffuseError({
      code: 'EF405',
      message: `${at}XLA cannot compile ${graph?.name ?? 'a call'}: ${said}`,
      hint: "xla: { tensorflow: 'never' } runs it by TensorFlow's own kernels",
      ...(path === null ? {} : { path }),
    })
  return new EffuseError({
    code: 'EF405',
    message: `${at}TensorFlow refused ${graph === null ? 'a call' : graph.name}: ${said}`,
    hint: "another backend may run it: 'tfjs', or 'reference' for a check",
    ...(path === null ? {} : { path }),
  })
}

/** Nodes of functions are called n<id>/… or amp/<id>/…, after the node of the graph that they compute (graph-scope.ts). */
const pathIn = (message: string, graph: Graph): string | null => {
  const named = /\{\{(?:function_)?node [^}]*?(?:^|[\s/])(?:n|amp\/)(\d+)\/|\b(?:n|amp\/)(\d+)\/\d+\b/.exec(message)
  const id = named?.[1] ?? named?.[2]
  if (id === undefined) return null
  const node = findNode(graph, nodeId(Number(id)))
  return node === null ? null : `${node.path === '' ? node.op : node.path} (${node.op})`
}

/** The first sentence or so: TensorFlow adds traces, names of devices and advice about its own API. */
const shortened = (message: string): string => {
  const [line = ''] = message.split('\n')
  const plain = line
    .replace(/\{\{[^}]*\}\}/g, '')
    .replace(/\[Op:[^\]]*\]|\[\[[^\]]*\]\]?/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  return plain.length > 400 ? `${plain.slice(0, 400)}…` : plain
}
