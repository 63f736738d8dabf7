/** The known differences between this backend and the ops' constraints, with reasons. The conformance suite tests all other constraints. */
import type { OpName } from '../../ir/signatures.ts'

export interface TfjsDeviation {
  /** `tfjs`: all of them. */
  readonly backend: 'tfjs-wasm' | 'tfjs-webgpu' | 'tfjs'
  /** `fusion` means the fusions of the pass fuse-tfjs. */
  readonly ops: readonly OpName[]
  readonly when: string
  readonly instead: string
  readonly reason: string
}

/** The cases in which tfjs's kernels differ from the reference, and the results instead. */
export const tfjsDeviations: readonly TfjsDeviation[] = [
  {
    backend: 'tfjs-wasm',
    ops: ['fusion'],
    when: 'in float32 inference a sum is NaN, and relu or relu6 was fused with the convolution or product',
    instead: 'the result is 0; training steps and mixed precision keep the NaN',
    reason:
      'the activation is a clamp of XNNPACK, which loses NaN and takes no time; `xla: false` keeps the NaN in inference too',
  },
  {
    backend: 'tfjs-wasm',
    ops: ['conv2d', 'depthwiseConv2d'],
    when: 'a kernel has infinities or NaN, and the image is padded',
    instead: 'outputs at the edge are NaN although the taps inside of the image give a number',
    reason: 'XNNPACK multiplies the zeros of the padding as well: 0 times infinity is NaN',
  },
  {
    backend: 'tfjs-webgpu',
    ops: ['fusion'],
    when: 'in float32 inference a sum is NaN, and relu or relu6 was fused with the convolution or product',
    instead: 'the result is 0; training steps keep the NaN',
    reason:
      "tfjs's fused activation is a maximum of WGSL, which loses NaN; `xla: false` keeps the NaN in inference too",
  },
  {
    backend: 'tfjs-webgpu',
    ops: ['conv2d', 'depthwiseConv2d', 'matmul'],
    when: 'an operand has infinities or NaN, and the device assumes that there are none',
    instead: 'the result may be any number; on the tested devices it is that of the op, except for the padding below',
    reason: "WGSL allows this assumption, and these are tfjs's kernels; effuse's own kernels test the bits",
  },
  {
    backend: 'tfjs-webgpu',
    ops: ['conv2d', 'depthwiseConv2d'],
    when: 'a kernel has infinities or NaN, and the image is padded',
    instead: 'outputs at the edge may be NaN although the taps inside of the image give a number',
    reason: "tfjs's kernels multiply the zeros of the padding as well: 0 times infinity is NaN",
  },
  {
    backend: 'tfjs-webgpu',
    ops: ['add', 'sub', 'mul', 'div', 'sqrt', 'reciprocal'],
    when: 'always',
    instead:
      'the last bits may differ from the reference, and numbers below 2^-126 may be 0; reruns on one device are equal to the bit',
    reason:
      'WGSL allows division within 2.5 units in the last place, fused multiply-adds, and subnormals flushed to zero',
  },
  {
    backend: 'tfjs',
    ops: [
      'conv2dInputGradient',
      'conv2dFilterGradient',
      'depthwiseConv2dInputGradient',
      'depthwiseConv2dFilterGradient',
    ],
    when: 'a kernel or dy has infinities or NaN',
    instead: 'there may be more non-finite results than by the definition',
    reason: 'the gradients are convolutions and products over dilated and padded operands: 0 times infinity is NaN',
  },
]
