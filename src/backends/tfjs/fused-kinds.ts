/** The fusions that tfjs has kernels for: a contraction, a bias along the last axis, an activation. */
import { nodeAt } from '../../ir/graph.ts'
import type { Graph, Node } from '../../ir/types.ts'

export type Contraction = Node<'conv2d' | 'depthwiseConv2d' | 'matmul'>
export type FusedKind = 'tfjs.conv2d' | 'tfjs.depthwiseConv2d' | 'tfjs.matmul'
export const fusedKinds: { readonly [K in Contraction['op']]: FusedKind } = {
  conv2d: 'tfjs.conv2d',
  depthwiseConv2d: 'tfjs.depthwiseConv2d',
  matmul: 'tfjs.matmul',
}

/** Op -> tfjs's name of the activation. tfjs has no silu. */
export const fusedActivations = { relu: 'relu', relu6: 'relu6', elu: 'elu', sigmoid: 'sigmoid' } as const
export type FusedActivation = keyof typeof fusedActivations
export const isFusedActivation = (node: Node): node is Node<FusedActivation> => Object.hasOwn(fusedActivations, node.op)

export interface FusedBody {
  readonly contraction: Contraction
  readonly hasBias: boolean
  readonly activation: FusedActivation | null
}

/**
 * The parts of the body of one of these fusions: operands x, kernel and, with a bias, its vector.
 * Null for bodies of another form, which run node by node.
 */
export const readFusedBody = (body: Graph): FusedBody | null => {
  const [output] = body.outputs
  if (output === undefined || body.outputs.length !== 1) return null
  let node = nodeAt(body, output.value.id)
  const activation = isFusedActivation(node) ? node.op : null
  if (activation !== null) node = nodeAt(body, (node.inputs[0] ?? output.value).id)
  const hasBias = node.op === 'add'
  if (hasBias) {
    const [left, right] = node.inputs
    if (left === undefined || right === undefined) return null
    const bias = nodeAt(body, right.id)
    if (bias.op !== 'broadcast' || bias.inputs[0]?.id !== body.inputs[2]) return null
    node = nodeAt(body, left.id)
  }
  if (node.op !== 'conv2d' && node.op !== 'depthwiseConv2d' && node.op !== 'matmul') return null
  return node.inputs[0]?.id === body.inputs[0] && node.inputs[1]?.id === body.inputs[1]
    ? { contraction: node, hasBias, activation }
    : null
}
