/** Where this backend is known to differ from the ops' constraints, each with its reason. Everything else the conformance suite holds it to. */
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
    instead: 'it counts as 0; movement, select, argMax and topK keep it, and so do all ops on float16',
    reason: 'the threads of TensorFlow flush subnormal numbers to zero: with them processors are many times slower',
  },
  {
    ops: ['batchNormTraining'],
    when: 'the mean of a channel is far larger than its deviation',
    instead:
      'the mean is off by what one float32 sum of n terms loses, as of an accumulation, and the variance is too large by the square of that',
    reason:
      "TensorFlow's fused kernel; a second pass over the activations would mend it, and would cost as much as the first",
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
    instead: 'there may be more NaN than by the definition',
    reason:
      'TensorFlow has no such kernel on CPUs: it is computed tap by tap, and zeros of the padding are multiplied as well',
  },
  {
    ops: ['relu', 'relu6'],
    when: 'in float32 inference, they follow a convolution with a bias whose sum is NaN, and nothing else reads the sum',
    instead: 'the result is 0; training steps and mixed precision keep the NaN',
    reason:
      "TensorFlow's graph optimiser fuses the three, and the fused activation loses NaN; `xla: false` keeps it in inference, too",
  },
  {
    ops: ['maxPool2dGradient'],
    when: 'a window has +infinity and, before it, the largest float32 (3.4028235e38), and no NaN',
    instead: 'the gradient goes to the first of the two',
    reason: "TensorFlow's kernel does not know NaN: infinity stands for it, and the largest number for infinity",
  },
]
