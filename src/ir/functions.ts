/**
 * Ops as functions on values: `add(x, 1)`, `softmax(logits)`. A value knows the builder that makes its nodes, so nothing else is passed.
 * Shapes are checked at the call (EF101, with model path and both shapes); ranks and dtypes already by the compiler.
 */
export * from './functions/binary.ts'
export { composite, type CompositeOptions } from './functions/composite.ts'
export * from './functions/movement.ts'
export * from './functions/network.ts'
export * from './functions/reduction.ts'
export type { Binary, Comparison, Logical, Reduction, Unary } from './functions/shared.ts'
export * from './functions/unary.ts'
