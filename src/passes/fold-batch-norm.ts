/**
 * Inference: merges a batch norm into the convolution before it. With s = scale / sqrt(variance + epsilon):
 * bn(conv(x, w)) = conv(x, w * s) + (offset - mean * s). The arithmetic on variables is later hoisted into the plan `prepare`.
 * Applies only if nothing else uses the convolution's result.
 */
import { Edit } from '../ir/edit.ts'
import { findNode, liveOrder, refKey, rootKeys, usesOf } from '../ir/graph.ts'
import type { Graph, Node } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { definePass } from './pass.ts'

type Convolution = Node<'conv2d' | 'depthwiseConv2d'>

export const foldBatchNorm = definePass({
  name: 'fold-batch-norm',
  summary: 'batch norm into the convolution before it',
  phase: 'simplify',
  preserves: 'rounding',
  run: (graph, cx) => {
    const edit = new Edit(graph, 'fold-batch-norm')
    for (const node of liveOrder(graph)) {
      if (node.op !== 'batchNormInference') continue
      const conv = convolutionBefore(graph, node)
      if (conv === null) continue
      fold(edit, node, conv)
      cx.report('folded')
    }
    return edit.commit()
  },
})

const convolutionBefore = (graph: Graph, bn: Node<'batchNormInference'>): Convolution | null => {
  const [x] = bn.inputs
  if (x === undefined) return null
  const conv = findNode(graph, x.id)
  if (conv?.op !== 'conv2d' && conv?.op !== 'depthwiseConv2d') return null
  const isOnlyUse = usesOf(graph).get(refKey(x))?.length === 1 && !rootKeys(graph).has(refKey(x))
  // A half or widened convolution needs casts first. Folding is for float32; AMP runs later.
  return isOnlyUse && conv.types[0]?.dtype === 'float32' && conv.attrs.resultDtype === null ? conv : null
}

const fold = (edit: Edit, bn: Node<'batchNormInference'>, conv: Convolution): void => {
  const b = edit.emitter([bn, conv], bn.path)
  const [, scale, offset, mean, variance] = bn.inputs.map((ref) => edit.value(ref, b)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ] // arity 5
  const [x, kernel] = conv.inputs.map((ref) => edit.value(ref, b)) as [Value, Value] // arity 2
  const s = b.mul(scale, b.rsqrt(b.add(variance, bn.attrs.epsilon)))
  // HWIO: filters are the last axis; depthwise [KH,KW,C,1]: channels are the third.
  const perFilter = conv.op === 'conv2d' ? s : b.reshape(s, [...s.shape, 1])
  const folded = b.mul(kernel, perFilter)
  const y = edit.add(conv.op, [x, folded], conv.attrs, [conv, bn], conv.path)
  const shift = b.sub(offset, b.mul(mean, s))
  edit.replaceUses({ id: bn.id, port: 0 }, b.add(edit.value(y, b), shift))
  edit.remove(bn.id)
}
