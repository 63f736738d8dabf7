/** Where this backend is known to differ from the ops' constraints, each with its reason. Everything else the conformance suite holds it to. */
import type { OpName } from '../../ir/signatures.ts'

export interface TfjsDeviation {
  readonly backend: 'tfjs-wasm'
  /** The contractions; `fused` with a bias or activation by the pass fuse-tfjs, or by themselves too. */
  readonly ops: readonly OpName[]
  readonly when: string
  readonly instead: string
  readonly reason: string
}

/** Where tfjs's kernels differ from the reference, and what effuse does instead. */
export const tfjsDeviations: readonly TfjsDeviation[] = [
  {
    backend: 'tfjs-wasm',
    ops: [
      'conv2d',
      'conv2dInputGradient',
      'depthwiseConv2d',
      'depthwiseConv2dInputGradient',
      'depthwiseConv2dFilterGradient',
    ],
    when: 'a sum is NaN',
    instead: 'the result is -infinity: not finite either, but a relu or sigmoid after it makes 0 of it',
    reason: 'XNNPACK clamps every convolution to [-infinity, infinity], and its clamp loses NaN',
  },
  {
    backend: 'tfjs-wasm',
    ops: ['fusion'],
    when: 'a sum is NaN and an activation was fused with it',
    instead: 'relu, relu6 and sigmoid give 0, elu -1 (after matmul only relu and relu6 do so)',
    reason:
      'the activation is a clamp of XNNPACK or works on its -infinity; without `xla` the activations keep NaN of matmul',
  },
  {
    backend: 'tfjs-wasm',
    ops: ['conv2dInputGradient', 'depthwiseConv2dInputGradient', 'depthwiseConv2dFilterGradient'],
    when: 'a kernel or dy has infinities',
    instead: 'there may be more non-finite results than by the definition',
    reason: 'the gradients are convolutions over dilated and padded operands: 0 times infinity is NaN',
  },
]
