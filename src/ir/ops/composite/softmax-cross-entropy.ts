import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, isFloat, sameType, showType, type Type } from '../../types.ts'
import { logSoftmaxOf } from './softmax-shared.ts'

/** C1: float logits of rank 2. C2: labels of the same type. */
export const checkLogits = (logits: Type, labels: Type): string | null =>
  logits.shape.length !== 2 || !isFloat(logits.dtype)
    ? `C1: float logits [N,C] are needed, got ${showType(logits)}`
    : sameType(logits, labels)
      ? null
      : `C2: labels must be ${showType(logits)}, got ${showType(labels)}`

export const softmaxCrossEntropyDoc: OpDoc = {
  summary:
    'Cross-entropy of a softmax with a distribution: logits, labels [N,C] -> -sum(labels * log(softmax(logits))) [N].',
  constraints: [
    'C1: float logits of rank 2',
    'C2: labels have the type of the logits',
    'C3: by log-sum-exp, so nothing overflows',
    'C4: a label of 0 adds 0, also where the logit is -infinity',
    'C5: NaN, +infinity or nothing but -infinity among the logits of a row makes its loss NaN, if any of its labels is not 0',
  ],
  example: `graph example {
  %0 = input() {name="logits"} : float32[2,3]
  %1 = input() {name="labels"} : float32[2,3]
  %2 = softmaxCrossEntropy(%0, %1) : float32[2]
  return loss = %2
}`,
}

export const softmaxCrossEntropy: CompositeDef<'softmaxCrossEntropy'> = {
  name: 'softmaxCrossEntropy',
  level: 'composite',
  arity: 2,
  attrs: {},
  infer: ([logits, labels]) =>
    checkLogits(logits, labels) ?? [{ dtype: logits.dtype, shape: [logits.shape[0] as number] }],
  evalRef: ({ inputs: [logits, labels] }) => {
    const classes = logits.shape[1] as number
    return [
      new Float64Array(logits.shape[0] as number).map((_, row) => {
        const line = logits.data.subarray(row * classes, (row + 1) * classes)
        return logSoftmaxOf(line).reduce((loss, v, c) => {
          const label = labels.data[row * classes + c] as number
          return label === 0 ? loss : loss - label * v
        }, 0)
      }),
    ]
  },
  decompose: ({ inputs: [logits, labels], b }) => {
    const [x, y] = [b.cast(logits, 'float32'), b.cast(labels, 'float32')]
    const products = b.select(b.compare('eq', y, 0), 0, b.mul(y, b.logSoftmax(x, 1)))
    return [b.cast(b.neg(b.reduceSum(products, [1])), logits.dtype)]
  },
  amp: [{ class: 'deny', inputs: 'all', outputs: 'all' }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 6 * elements(x.shape) }),
}

export const softmaxCrossEntropyVjp: OpVjp<'softmaxCrossEntropy'> = ({
  outGrads: [g],
  inputs: [logits, labels],
  b,
}) => {
  const perRow = b.broadcast(g, logits.shape, [0])
  return [
    b.emit1('softmaxCrossEntropyGradient', [logits, labels, g], {}),
    b.neg(b.mul(perRow, b.logSoftmax(logits, 1))),
  ]
}
