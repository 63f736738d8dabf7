/** The known differences between this backend and the ops' constraints, with reasons. The conformance suite checks that there are no others. */
import type { OpName } from '../../ir/signatures.ts'

export interface TensorflowDeviation {
  readonly ops: readonly OpName[]
  readonly when: string
  readonly instead: string
  readonly reason: string
}

export const tensorflowDeviations: readonly TensorflowDeviation[] = [
  {
    ops: [
      ...(['add', 'sub', 'mul', 'div', 'reciprocal', 'sqrt', 'rsqrt', 'pow', 'remainder', 'exp', 'log'] as const),
      ...(['maximum', 'minimum', 'compare', 'cast', 'relu', 'relu6', 'matmul', 'conv2d', 'depthwiseConv2d'] as const),
      ...(['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd', 'maxPool2d', 'avgPool2d'] as const),
    ],
    when: 'an operand or the result is a float32 or bfloat16 number below 2^-126, but not 0 (a subnormal number)',
    instead: 'it is treated as 0; ops that move elements, select, argMax, topK, and all ops on float16 keep it',
    reason:
      'the threads of TensorFlow flush subnormal numbers to zero, because processors compute with them many times slower',
  },
  {
    ops: ['batchNormTraining'],
    when: 'the mean of a channel is far larger than its deviation',
    instead:
      'the mean has the rounding error of one float32 sum of n terms, and the variance is too large by the square of this error',
    reason:
      "TensorFlow's fused kernel computes it so; a second pass over the activations would be exact, and would cost as much as the first",
  },
  {
    ops: [
      'conv2dInputGradient',
      'conv2dFilterGradient',
      'depthwiseConv2d',
      'depthwiseConv2dInputGradient',
      'depthwiseConv2dFilterGradient',
    ],
    when: 'the convolution is dilated (or depthwise with two different strides), and an operand has infinities or NaN',
    instead: 'more elements of the result may be NaN than the definition says',
    reason:
      'TensorFlow has no such kernel on CPUs, so it is computed tap by tap, which also multiplies the zeros of the padding',
  },
  {
    ops: ['relu', 'relu6'],
    when: 'a float32 inference program applies them to a convolution with a bias, the sum is NaN, and nothing else reads the sum',
    instead: 'the result is 0; training steps and mixed precision keep the NaN',
    reason:
      "TensorFlow's graph optimiser fuses the three, and the fused activation loses NaN; `xla: false` keeps it in inference, too",
  },
  {
    ops: ['maxPool2dGradient'],
    when: 'a window has +infinity and, before it, the largest float32 (3.4028235e38), and no NaN',
    instead: 'the gradient goes to the first of the two',
    reason:
      "TensorFlow's kernel cannot compare NaN, so the lowering passes infinity for NaN, and the largest float32 for infinity",
  },
]
