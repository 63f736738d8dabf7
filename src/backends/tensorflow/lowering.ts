/** A lowering defines which nodes of TensorFlow compute one op. lowering-table.ts has the table of all ops. */
import type { OpAttrs, OpIn, OpName, OpOut, Tuple } from '../../ir/signatures.ts'
import type { NodeOf, Type } from '../../ir/types.ts'
import type { FunctionBuilder } from './function-builder.ts'
import type { HalfKernels } from './half-kernels.ts'
import type { TfValue } from './types.ts'

export interface LowerArgs<K extends OpName> {
  readonly node: NodeOf<K>
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<TfValue, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  readonly f: FunctionBuilder
  readonly scope: Scope
}

/**
 * What a FusedBatchNormV3 node keeps for its gradient. The meaning of its reserve outputs differs between devices, so only the gradient of the same node
 * may take them.
 */
export interface KeptByBatchNorm {
  readonly x: TfValue
  readonly epsilon: number
  readonly reserve: readonly TfValue[]
}

/** When TensorFlow may fuse the two ops of a swish, with one another and with the convolution before them. */
export interface SwishFusion {
  /** With the convolution only if there are at least so many images. */
  readonly imagesLeast: number
  /** Also if the graph computes the swish's gradient, which then computes the sigmoid a second time. */
  readonly recomputesSigmoid: boolean
}

/** What TensorFlow may fuse: the swish with the convolution before it, its two ops with one another, or nothing. */
export type SwishForm = 'withConvolution' | 'alone' | 'apart'

/** Which convolutions with a kernel of 1 x 1 are lowered to products of matrices, in float32 graphs for inference. */
export interface PointwiseProducts {
  /** Those of fewer images. */
  readonly imagesBelow: number
  /** Those of images with a single pixel. */
  readonly singlePixels: boolean
}

const noProducts: PointwiseProducts = { imagesBelow: 0, singlePixels: false }

/** In which of several forms with the same meaning TensorFlow gets an op, because its kernels for one form are faster on a device. */
export interface KernelForms {
  readonly swish: SwishFusion
  readonly products: PointwiseProducts
  /** Depthwise convolutions of float32 graphs for inference are grouped ones, which TensorFlow fuses with a swish. */
  readonly groupsDepthwise: boolean
  /** Elementwise ops with a vector of few channels repeat it along the rows of an image. */
  readonly repeatsVectors: boolean
  /** After some runs with the same variables, convolutions of float32 graphs for inference keep their filters in oneDNN's layout. */
  readonly keepsFilters: boolean
}

/** The default. TensorFlow fuses what it can. */
export const plainForms: KernelForms = {
  swish: { imagesLeast: 1, recomputesSigmoid: true },
  products: noProducts,
  groupsDepthwise: false,
  repeatsVectors: false,
  keepsFilters: false,
}

/** The forms for a graph that is not for inference in float32. */
export const formsElsewhere = (forms: KernelForms): KernelForms => ({
  ...forms,
  products: noProducts,
  groupsDepthwise: false,
  keepsFilters: false,
})

/** What a lowering may know of the graph around its node. */
export interface Scope {
  /**
   * The operand in a shape that TensorFlow's elementwise ops repeat by themselves. For a `broadcast` it is the operand of the broadcast with added axes of
   * size 1; for other nodes it is the value.
   */
  repeating(at: number): TfValue
  /** The vector [C], if the operand repeats a vector along all axes but the last one; else null. */
  repeatedVector(at: number): TfValue | null
  /** References of the results of contractions. TensorFlow can fuse a bias that is added to them. */
  readonly contractions: Set<string>
  /** References of the sums of such a result and a bias. TensorFlow can fuse a tensor that is added to them. */
  readonly biased: Set<string>
  /** The contractions that may have half operands. Half operands of the others are widened. */
  readonly halfKernels: HalfKernels
  /** Whether TensorFlow may fuse activations with the sums before them, which loses NaN. */
  readonly mayLoseNan: boolean
  /** For nodes `silu`. */
  swishForm(): SwishForm
  readonly forms: KernelForms
  /** Values as matrices [rows, channels], by the references of their reshaped forms. */
  readonly matrices: Map<string, TfValue>
  /** What batch norms keep for their gradients, by the reference of the mean. */
  readonly batchNorms: Map<string, KeptByBatchNorm>
  /** Key and counter of a random stream in this run. */
  philox(stream: string): { readonly key: TfValue; readonly counter: TfValue }
}

/** Adds nodes to the function and returns the results, one per output. */
export type LowerFunction<K extends OpName> = (args: LowerArgs<K>) => Tuple<TfValue, OpOut<K>>
