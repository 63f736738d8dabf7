/** Ops: what they compute, their gradients, their decompositions. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const laws = 'test/ir/op-laws.test.ts'
const elementwise = ['test/ir/ops/elementwise.test.ts', laws]
const movement = ['test/ir/ops/movement.test.ts', laws]
const composite = ['test/ir/ops/composite.test.ts', laws]
const training = ['test/ir/ops/training.test.ts', laws]

export const opMutants: readonly Mutant[] = [
  ...mutantsOf('src/ir/ops/elementwise/div.ts', elementwise, [
    ['the gradient of a divisor is positive', 'b.neg(b.div(b.mul(g, z), y))', 'b.div(b.mul(g, z), y)'],
    ['int32 division rounds down', 'Math.trunc(x / y)', 'Math.floor(x / y)'],
  ]),
  ...mutantsOf('src/ir/ops/elementwise/maximum.ts', elementwise, [
    ['both operands get the gradient if they are equal', "b.compare('lt', x, y)", "b.compare('le', x, y)"],
  ]),
  ...mutantsOf('src/ir/ops/elementwise/sigmoid.ts', elementwise, [
    ['the gradient of sigmoid lacks a factor', 'b.mul(g, b.mul(y, b.sub(1, y)))', 'b.mul(g, b.sub(1, y))'],
  ]),
  ...mutantsOf('src/ir/ops/elementwise/pow.ts', elementwise, [
    ['1 to infinity is NaN', 'x === 1 ? 1 :', ''],
    ['the gradient of the base has the exponent y instead of y - 1', 'b.sub(y, 1)', 'y'],
  ]),
  ...mutantsOf('src/ir/ops/elementwise/select.ts', elementwise, [
    ['both branches get the same gradient', 'b.select(condition, 0, g)]', 'b.select(condition, g, 0)]'],
  ]),
  ...mutantsOf('src/ir/ops/elementwise/cast.ts', elementwise, [
    ['NaN casts to the smallest int32', 'Number.isNaN(x) ? 0 :', 'Number.isNaN(x) ? -(2 ** 31) :'],
  ]),
  ...mutantsOf('src/ir/ops/movement/pad.ts', movement, [
    [
      'the positions of elements ignore interior padding',
      '(index[i] as number) * ((interior[i] as number) + 1))',
      '(index[i] as number))',
    ],
    ['the gradient of a pad begins at 0', '    low,\n    x.shape.map(', '    low.map(() => 0),\n    x.shape.map('],
  ]),
  ...mutantsOf('src/ir/ops/movement/slice.ts', movement, [
    ['a slice ends one element too early', 'Math.ceil(((limits', 'Math.floor(((limits'],
    ['the gradient of a slice ignores its strides', 'strides.map((s) => s - 1)', 'strides.map(() => 0)'],
  ]),
  ...mutantsOf('src/ir/ops/movement/concatenate.ts', movement, [
    ['the gradients of a concatenation all begin at 0', '    start += x.shape[axis] as number\n', ''],
  ]),
  ...mutantsOf('src/ir/ops/composite/softmax.ts', composite, [
    ['the largest element is not subtracted', 'Math.exp(v - top)', 'Math.exp(v)'],
    [
      'the decomposition sums all axes but the last',
      'b.reduceSum(powers, [axis], true)',
      'b.reduceSum(powers, [0], true)',
    ],
  ]),
  ...mutantsOf('src/ir/ops/composite/silu-gradient.ts', composite, [
    [
      'the decomposed gradient of silu has a wrong sign',
      'b.add(s, b.mul(b.mul(wide, s), b.sub(1, s)))',
      'b.sub(s, b.mul(b.mul(wide, s), b.sub(1, s)))',
    ],
  ]),
  ...mutantsOf('src/ir/ops/composite/softmax-cross-entropy-gradient.ts', composite, [
    ['labels are assumed to sum to 1', '* mass - (labels', '- (labels'],
  ]),
  ...mutantsOf('src/ir/ops/composite/batch-norm-gradient.ts', composite, [
    [
      'dx lacks the gradient through the mean',
      'b.sub(b.sub(g, b.mul(doffset, 1 / rows)), b.mul(centred, slope))',
      'b.sub(g, b.mul(centred, slope))',
    ],
  ]),
  ...mutantsOf('src/ir/ops/training/adam.ts', training, [
    [
      'Adam corrects the bias by the count before the step',
      "b.add(b.cast(step, 'float32'), 1)",
      "b.cast(step, 'float32')",
    ],
    [
      'epsilon is inside the root',
      'b.add(b.sqrt(b.div(second, correction(beta2))), epsilon)',
      'b.sqrt(b.add(b.div(second, correction(beta2)), epsilon))',
    ],
    [
      'AdamW adds the weight decay to the weights',
      'b.add(direction, b.mul(w, weightDecay))',
      'b.sub(direction, b.mul(w, weightDecay))',
    ],
  ]),
  ...mutantsOf('src/ir/ops/training/rmsprop.ts', training, [
    ['a step that is not finite changes the mean square', 'b.select(finite, square, ms)', 'square'],
  ]),
  ...mutantsOf('src/ir/ops/training/sgd.ts', training, [
    ['Nesterov is plain momentum', 'nesterov ? b.sub(b.mul(velocity, momentum), pull) : velocity', 'velocity'],
  ]),
  ...mutantsOf('src/ir/ops/training/ema.ts', training, [
    [
      'the average uses the smaller of the two weights',
      'b.maximum(b.div(9, b.add(t, 10)), 1 - decay)',
      'b.minimum(b.div(9, b.add(t, 10)), 1 - decay)',
    ],
  ]),
  ...mutantsOf('src/ir/ops/training/loss-scale-update.ts', training, [
    ['the scale doubles one step late', "b.compare('ge', count, interval)", "b.compare('gt', count, interval)"],
  ]),
]
