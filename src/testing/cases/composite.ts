import { type Arbitrary, fc } from '../fast-check.ts'
import type { CompositeOps, ModelOps, UnaryOp } from '../../ir/signatures.ts'
import type { DType, Float, Type } from '../../ir/types.ts'
import { moderate, shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable } from '../op-case.ts'
import { wide } from './reduction.ts'

const float: Arbitrary<Float> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16')
const tensor = (ranks: { readonly min?: number; readonly max?: number } = {}): Arbitrary<CaseInput> =>
  fc.tuple(float, shapeArb(ranks, 3)).chain(([dtype, shape]) => tensorArb({ dtype, shape }))

/** x [...,C] and float32 vectors [C]; positive ones for a variance or an inverse deviation. */
const normed = (vectors: readonly ('any' | 'positive')[], withGradient = false): Arbitrary<readonly CaseInput[]> =>
  fc.tuple(float, shapeArb({ min: 1, max: 4 }, 3)).chain(([dtype, shape]) => {
    const x: Type = { dtype, shape }
    const vector: Type = { dtype: 'float32', shape: shape.slice(-1) }
    return fc.tuple(
      tensorArb(x),
      ...vectors.map((kind) => tensorArb(vector, kind === 'positive' ? moderate(0.25, 2) : moderate(-2, 2))),
      ...(withGradient ? [tensorArb(x)] : []),
    )
  })

const epsilon = fc.constantFrom(0.001, 0.01)
/** Rows of non-negative labels with any sum, including zeros. */
const labels = (type: Type): Arbitrary<CaseInput> => tensorArb(type, fc.oneof(fc.constant(0), moderate(0.125, 1)))
const logits: Arbitrary<Type> = fc
  .tuple(float, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }))
  .map(([dtype, n, c]) => ({ dtype, shape: [n, c] }))
const onAxis = <K extends 'softmax' | 'logSoftmax'>(op: K) =>
  fc
    .tuple(tensor({ min: 1, max: 3 }), fc.nat())
    .map(([x, at]) => ({ op, inputs: [x], attrs: { axis: at % x.type.shape.length }, isSmooth: true }))
const floats: Arbitrary<DType> = float

export const compositeCases: CaseTable<ModelOps & Omit<CompositeOps, UnaryOp>> = {
  batchNorm: fc
    .tuple(normed(['any', 'any', 'any', 'positive']), epsilon)
    .map(([inputs, e]) => ({ op: 'batchNorm', inputs, attrs: { epsilon: e, momentum: 0.99 }, isSmooth: true })),
  batchNormInference: fc
    .tuple(normed(['any', 'any', 'any', 'positive']), epsilon)
    .map(([inputs, e]) => ({ op: 'batchNormInference', inputs, attrs: { epsilon: e }, isSmooth: true })),
  // If a channel hardly varies, the inverse deviation has too much curvature for finite differences.
  batchNormTraining: fc
    .tuple(normed(['any', 'any']), epsilon)
    .map(([inputs, e]) => ({ op: 'batchNormTraining', inputs, attrs: { epsilon: e }, isSmooth: varies(inputs[0]) })),
  batchNormGradient: normed(['any', 'any', 'positive'], true).map((inputs) => ({
    op: 'batchNormGradient',
    inputs,
    attrs: {},
    isSmooth: true,
  })),
  dropout: tensor().map((x) => ({
    op: 'dropout',
    inputs: [x],
    attrs: { rate: 0.5, per: 'element', stream: 'drop' },
    isSmooth: true,
  })),
  siluGradient: fc
    .tuple(float, shapeArb())
    .chain(([dtype, shape]) => fc.tuple(tensorArb({ dtype, shape }), tensorArb({ dtype, shape })))
    .map((inputs) => ({ op: 'siluGradient', inputs, attrs: {}, isSmooth: true })),
  softmax: onAxis('softmax'),
  logSoftmax: onAxis('logSoftmax'),
  softmaxCrossEntropy: logits
    .chain((type) => fc.tuple(tensorArb(type), labels(type)))
    .map((inputs) => ({
      op: 'softmaxCrossEntropy',
      inputs,
      isSmooth: (inputs[1]?.data ?? []).every((v) => v > 0), // the formula treats a label of 0 separately
      attrs: {},
    })),
  softmaxCrossEntropyGradient: logits
    .chain((type) =>
      fc.tuple(tensorArb(type), labels(type), tensorArb({ dtype: type.dtype, shape: type.shape.slice(0, 1) })),
    )
    .map((inputs) => ({ op: 'softmaxCrossEntropyGradient', inputs, attrs: {}, isSmooth: true })),
  mean: wide('mean', floats),
  variance: wide('variance', floats),
}

const varies = (x: CaseInput | undefined): boolean => {
  if (x === undefined) return false
  const channels = x.type.shape.at(-1) ?? 1
  return Array.from({ length: channels }, (_, c) => x.data.filter((_v, i) => i % channels === c)).every((list) => {
    const mean = list.reduce((a, b) => a + b, 0) / list.length
    return list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length > 0.25
  })
}
