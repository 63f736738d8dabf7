/**
 * Ops as functions on values: `add(x, 1)`, `softmax(logits)`. A value refers to its builder, so callers pass no builder.
 * Each call checks shapes (EF101, with model path and both shapes); TypeScript checks ranks and dtypes.
 */
export * from './functions/binary.ts'
export { composite, type CompositeOptions } from './functions/composite.ts'
export * from './functions/movement.ts'
export * from './functions/network.ts'
export * from './functions/reduction.ts'
export type { Binary, Comparison, Logical, Reduction, Unary } from './functions/shared.ts'
export * from './functions/unary.ts'
