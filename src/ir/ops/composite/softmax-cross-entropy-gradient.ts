import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, showType } from '../../types.ts'
import { checkLogits } from './softmax-cross-entropy.ts'
import { logSoftmaxOf } from './softmax-shared.ts'

export const softmaxCrossEntropyGradientDoc: OpDoc = {
  summary:
    'Gradient of softmaxCrossEntropy by the logits: logits, labels [N,C], dloss [N] -> dloss * (softmax(logits) * sum(labels) - labels) [N,C].',
  constraints: [
    'C1: float logits of rank 2',
    'C2: labels have the type of the logits',
    'C3: dloss is [N] of the same dtype',
    'C4: NaN, +infinity or nothing but -infinity among the logits of a row makes the whole row NaN',
  ],
  example: `graph example {
  %0 = input() {name="logits"} : float32[2,3]
  %1 = input() {name="labels"} : float32[2,3]
  %2 = input() {name="dloss"} : float32[2]
  %3 = softmaxCrossEntropyGradient(%0, %1, %2) : float32[2,3]
  return dlogits = %3
}`,
}

export const softmaxCrossEntropyGradient: CompositeDef<'softmaxCrossEntropyGradient'> = {
  name: 'softmaxCrossEntropyGradient',
  level: 'composite',
  arity: 3,
  attrs: {},
  infer: ([logits, labels, dloss]) =>
    checkLogits(logits, labels) ??
    (dloss.dtype === logits.dtype && dloss.shape.length === 1 && dloss.shape[0] === logits.shape[0]
      ? [logits]
      : `C3: dloss must be ${logits.dtype}[${logits.shape[0]}], got ${showType(dloss)}`),
  evalRef: ({ inputs: [logits, labels, dloss] }) => {
    const classes = logits.shape[1] as number
    const out = new Float64Array(logits.data.length)
    dloss.data.forEach((g, row) => {
      const [start, end] = [row * classes, (row + 1) * classes]
      const logs = logSoftmaxOf(logits.data.subarray(start, end))
      const mass = labels.data.subarray(start, end).reduce((a, b) => a + b, 0)
      for (let c = 0; c < classes; c++)
        out[start + c] = g * (Math.exp(logs[c] as number) * mass - (labels.data[start + c] as number))
    })
    return [out]
  },
  decompose: ({ inputs: [logits, labels, dloss], b }) => {
    const [x, y, g] = [b.cast(logits, 'float32'), b.cast(labels, 'float32'), b.cast(dloss, 'float32')]
    const d = b.sub(b.mul(b.softmax(x, 1), b.reduceSum(y, [1], true)), y)
    return [b.cast(b.mul(d, b.broadcast(g, x.shape, [0])), logits.dtype)]
  },
  amp: [{ class: 'deny', inputs: 'all', outputs: 'all' }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 6 * elements(x.shape) }),
}

export const softmaxCrossEntropyGradientVjp: OpVjp<'softmaxCrossEntropyGradient'> = ({
  outGrads: [g],
  inputs: [logits, labels, dloss],
  b,
}) => {
  // d = dloss * (s * m - labels) with s = softmax(logits), m = sum(labels).
  const s = b.softmax(logits, 1)
  const mass = b.reduceSum(labels, [1], true)
  const scaled = b.mul(g, b.broadcast(dloss, logits.shape, [0]))
  const ds = b.mul(scaled, mass)
  const weighted = b.mul(ds, s)
  const dlogits = b.sub(weighted, b.mul(s, b.reduceSum(weighted, [1], true)))
  const dlabels = b.sub(b.reduceSum(b.mul(scaled, s), [1], true), scaled)
  const ddloss = b.reduceSum(b.mul(g, b.sub(b.mul(s, mass), labels)), [1])
  return [dlogits, dlabels, ddloss]
}
