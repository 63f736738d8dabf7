/**
 * Convolutions and matrix products with the bias and the activation after them, as one kernel of tfjs.
 * Applies only if nothing else uses the intermediate values, and only in float32.
 *
 * relu and relu6 are fused only in float32 inference: they become XNNPACK's clamp, which loses NaN. A training step checks its gradients for NaN,
 * and mixed precision may overflow, so there the activation stays a separate kernel.
 */
import { Edit } from '../../ir/edit.ts'
import { findNode, liveOrder, nodesOf, refKey, rootKeys, typeOf, usesOf } from '../../ir/graph.ts'
import { emitRegion } from '../../ir/region.ts'
import { type Graph, type Node, type Ref, isHalf } from '../../ir/types.ts'
import type { OpName } from '../../ir/signatures.ts'
import type { Value } from '../../ir/value.ts'
import { definePass } from '../../passes/pass.ts'
import { fusedKinds, isFusedActivation, type Contraction, type FusedActivation } from './fused-kinds.ts'

export const fuseTfjs = definePass({
  name: 'fuse-tfjs',
  summary: 'merge bias and activation into the convolution or product before them',
  phase: 'fuse',
  preserves: 'rounding',
  run: (graph, cx) => {
    const edit = new Edit(graph, 'fuse-tfjs')
    if (!cx.target.fusions.includes('contraction')) return graph
    const isLossless = isInference(graph) ? isFusedActivation : isExactActivation
    const activations = (node: Node): node is Node<FusedActivation> =>
      isLossless(node) && cx.target.fusedActivations.includes(node.op)
    for (const node of liveOrder(graph)) {
      if (!isContraction(node)) continue
      const chain = chainOf(graph, node, activations)
      if (chain === null) continue
      fuse(edit, chain)
      cx.report(fusedKinds[node.op])
    }
    return edit.commit()
  },
})

interface Chain {
  readonly contraction: Contraction
  readonly add: Node<'add'> | null
  /** The vector [C] that the add broadcasts. */
  readonly bias: Ref | null
  readonly activation: Node<FusedActivation> | null
}

const isContraction = (node: Node): node is Contraction =>
  (node.op === 'conv2d' ||
    node.op === 'depthwiseConv2d' ||
    (node.op === 'matmul' && node.types[0]?.shape.length === 2)) &&
  node.types[0]?.dtype === 'float32' &&
  node.attrs.resultDtype === null

/** The only user of this node's result; none if the result is also an output or update. */
const onlyUser = (graph: Graph, node: Node): Node | null => {
  const key = refKey({ id: node.id, port: 0 })
  const uses = usesOf(graph).get(key)
  return uses?.length === 1 && !rootKeys(graph).has(key) ? (uses[0]?.node ?? null) : null
}

/** Float32 without updates and without gradients of kernels. */
const isInference = (graph: Graph): boolean =>
  graph.updates.length === 0 &&
  nodesOf(graph).every(({ op, types }) => !gradientOps.has(op) && !types.some(({ dtype }) => isHalf(dtype)))

const gradientOps: ReadonlySet<OpName> = new Set(['conv2dFilterGradient', 'depthwiseConv2dFilterGradient'])

/** Activations that tfjs computes after the contraction, so that NaN is kept. */
const isExactActivation = (node: Node): node is Node<FusedActivation> =>
  isFusedActivation(node) && node.op !== 'relu' && node.op !== 'relu6'

const chainOf = (graph: Graph, contraction: Contraction, isActivation: typeof isFusedActivation): Chain | null => {
  const next = onlyUser(graph, contraction)
  if (next === null) return null
  if (isActivation(next)) return { contraction, add: null, bias: null, activation: next }
  if (next.op !== 'add') return null
  const other = next.inputs.find((ref) => ref.id !== contraction.id)
  const bias = other === undefined ? null : biasOf(graph, other)
  if (bias === null) return null
  const last = onlyUser(graph, next)
  return { contraction, add: next, bias, activation: last !== null && isActivation(last) ? last : null }
}

/** The vector behind `broadcast(v) {axes = [last]}`, or null. */
const biasOf = (graph: Graph, ref: Ref): Ref | null => {
  const node = findNode(graph, ref.id)
  const [source] = node?.inputs ?? []
  if (node?.op !== 'broadcast' || source === undefined) return null
  const { axes, shape } = node.attrs
  const type = typeOf(graph, source)
  return type.shape.length === 1 && axes[0] === shape.length - 1 && type.shape[0] === shape.at(-1) ? source : null
}

const fuse = (edit: Edit, { contraction, add, bias, activation }: Chain): void => {
  const last = activation ?? add ?? contraction
  const from = [contraction, ...(add === null ? [] : [add]), ...(activation === null ? [] : [activation])]
  const b = edit.emitter(from, contraction.path)
  const operands = [...contraction.inputs, ...(bias === null ? [] : [bias])].map((ref) => edit.value(ref, b))
  const [fused] = emitRegion(b, 'fusion', operands, { kind: fusedKinds[contraction.op] }, (values, inner) => {
    const [x, kernel, vector] = values as readonly [Value, Value, Value?]
    const y = inner.onBehalfOf([contraction], () => inner.emit1(contraction.op, [x, kernel], contraction.attrs))
    const sum = add === null || vector === undefined ? y : inner.onBehalfOf([add], () => inner.add(y, vector))
    return [activation === null ? sum : inner.onBehalfOf([activation], () => inner.unary(activation.op, sum))]
  })
  edit.replaceUses({ id: last.id, port: 0 }, fused as Value) // the body has one result
  for (const node of from) edit.remove(node.id)
}
