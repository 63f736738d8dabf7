/**
 * The table of heroes: ops that combine many elements into one. A hero adds accumulators to a phase whose parallel axes are the dimensions of its
 * result. Some heroes need an additional earlier phase.
 */
import { convolution, filterGradient, inputGradient, lowerMatmul } from './contraction-heroes.ts'
import type { Hero, HeroOp } from './hero.ts'
import { lowerAvgPool, lowerAvgPoolGradient, lowerMaxPool, lowerMaxPoolGradient } from './pool-heroes.ts'
import { lowerArgMax, lowerTopK, reduction } from './reduction-heroes.ts'

export const heroes: { readonly [K in HeroOp]: Hero<K> } = {
  reduceSum: reduction('sum'),
  reduceMax: reduction('max'),
  reduceMin: reduction('min'),
  reduceProd: reduction('product'),
  reduceAll: reduction('and'),
  reduceAny: reduction('or'),
  argMax: lowerArgMax,
  topK: lowerTopK,
  matmul: lowerMatmul,
  conv2d: convolution(false),
  conv2dInputGradient: inputGradient(false),
  conv2dFilterGradient: filterGradient(false),
  depthwiseConv2d: convolution(true),
  depthwiseConv2dInputGradient: inputGradient(true),
  depthwiseConv2dFilterGradient: filterGradient(true),
  maxPool2d: lowerMaxPool,
  maxPool2dGradient: lowerMaxPoolGradient,
  avgPool2d: lowerAvgPool,
  avgPool2dGradient: lowerAvgPoolGradient,
}
