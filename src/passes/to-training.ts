/**
 * Selects training: batch norm uses the batch's statistics and updates the moving ones, dropout draws masks.
 * A batch norm with a frozen scale uses its moving statistics and does not update them. Afterwards no model-form op is left.
 */
import { Edit, passError } from '../ir/edit.ts'
import { globFilter } from '../ir/glob.ts'
import { findNode, liveOrder } from '../ir/graph.ts'
import { elements, type Graph, type Node, type NodeId } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { definePass, type GraphPass } from './pass.ts'

export interface ToTrainingOptions {
  /** Variables that are not trained, by glob. */
  readonly frozen?: readonly string[] | undefined
}

export const toTraining = (options: ToTrainingOptions = {}): GraphPass =>
  definePass({
    name: 'to-training',
    summary: 'model form to training form',
    phase: 'build',
    preserves: 'mode',
    stage: 'tensor',
    options: options.frozen === undefined ? {} : { frozen: options.frozen },
    run: (graph, cx) => {
      const isFrozen = globFilter(options.frozen ?? [])
      const edit = new Edit(graph, 'to-training')
      /** The new value of each moving statistic. If a batch norm is used several times, each use continues from the previous one. */
      const moved = new Map<NodeId, Value>()
      const order = liveOrder(graph)
      // In call order, which is the order of ids, independent of the outputs.
      for (const node of order.filter((n) => n.op === 'batchNorm').sort((a, b) => a.id - b.id)) {
        trainNorm(edit, graph, node, isFrozen, moved)
        cx.report('batch norms')
      }
      for (const node of order) {
        if (node.op === 'dropout') {
          edit.replaceUses({ id: node.id, port: 0 }, dropped(edit, node))
          cx.report('dropouts')
        }
        if (node.op === 'batchNorm' || node.op === 'dropout') edit.remove(node.id)
      }
      const updates = [...moved].map(([variable, value]) => ({ variable, value }))
      if (updates.length > 0) edit.setUpdates([...graph.updates, ...updates])
      return edit.commit()
    },
  })

const trainNorm = (
  edit: Edit,
  graph: Graph,
  node: Node<'batchNorm'>,
  isFrozen: (name: string) => boolean,
  moved: Map<NodeId, Value>,
): void => {
  const b = edit.emitter(node)
  const [x, scale, offset, mean, variance] = node.inputs.map((ref) => edit.value(ref, b)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ] // arity 5
  const scaleNode = findNode(graph, scale.id)
  const isFixed = scaleNode?.op === 'variable' && (!scaleNode.attrs.trainable || isFrozen(scaleNode.attrs.name))
  const { epsilon, momentum } = node.attrs
  if (isFixed) {
    edit.replaceUses(
      { id: node.id, port: 0 },
      b.emit1('batchNormInference', [x, scale, offset, mean, variance], { epsilon }),
    )
    return
  }
  const [y, batchMean, batchVariance] = b.emit('batchNormTraining', [x, scale, offset], { epsilon }) as readonly [
    Value,
    Value,
    Value,
    Value,
  ]
  edit.replaceUses({ id: node.id, port: 0 }, y)
  const rows = elements(x.shape.slice(0, -1))
  // The moving variance is the unbiased one (Bessel), as TensorFlow's fused batch norm keeps it.
  const unbiased = b.mul(batchVariance, rows / Math.max(rows - 1, 1))
  for (const [statistic, now] of [
    [mean, batchMean],
    [variance, unbiased],
  ] as const) {
    const variable = movingOf(graph, node, statistic)
    moved.set(variable, blended(b, moved.get(variable) ?? statistic, now, momentum))
  }
}

const movingOf = (graph: Graph, node: Node, statistic: Value): Node['id'] => {
  const variable = findNode(graph, statistic.id)
  if (variable?.op !== 'variable')
    throw passError(
      node,
      `the moving statistics of a batch norm must be variables, got the result of ${variable?.op ?? 'nothing'}`,
    )
  return variable.id
}

/** old * momentum + now * (1 - momentum). */
const blended = (b: Value['builder'], old: Value, now: Value, momentum: number): Value =>
  b.add(b.mul(old, momentum), b.mul(now, 1 - momentum))

/** One draw per element or per sample. Kept values are scaled by 1 / (1 - rate), so that the expectation does not change. */
const dropped = (edit: Edit, node: Node<'dropout'>): Value => {
  const b = edit.emitter(node)
  const { rate, per, stream } = node.attrs
  const [operand] = node.inputs
  const [type] = node.types
  if (operand === undefined || type === undefined) throw passError(node, 'dropout needs an operand')
  const x = edit.value(operand, b)
  if (rate === 0) return x
  const shape = per === 'sample' ? type.shape.slice(0, 1) : type.shape
  const stays = b.compare('ge', b.randomUniformOf(shape, stream), rate)
  const mask = per === 'sample' ? b.broadcast(stays, type.shape, [0]) : stays
  return b.select(mask, b.mul(x, 1 / (1 - rate)), 0)
}
