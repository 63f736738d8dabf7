/** Errors of the functions on values for incompatible operands. */
import { describe, expect, test } from 'vitest'
import { graph } from '../../src/ir/model.ts'
import * as fn from '../../src/ir/functions.ts'
import { gradients } from '../../src/passes/autodiff/gradients.ts'
import * as nn from '../../src/ir/nn.ts'
import { bool, float32, int32, type Value } from '../../src/ir/value.ts'

describe('incompatible operands: the error has the path, both types, the call site and a hint', () => {
  const types = { x: float32(2, 3), y: float32(2), i: int32(2, 3), p: bool(3), q: bool(2, 3) }
  type Values = { readonly [K in keyof typeof types]: Value<(typeof types)[K]['dtype'], (typeof types)[K]['rank']> }
  // Calls as in JavaScript: the compiler rejects some of these (test/types).
  const untyped = <T>(x: unknown): T => x as T
  test.each<[string, (v: Values) => Value, string, RegExp, RegExp | null]>([
    [
      'shapes',
      ({ x, y }) => fn.add(x, y),
      'EF101',
      /^a\/b: add: shapes do not broadcast: float32\[2,3\] and float32\[2\]\n {2}built at .*functions-errors\.test\.ts:\d+:\d+$/,
      /equal or 1/,
    ],
    [
      'a larger second operand',
      ({ x, y }) => fn.mul(y, fn.transpose(x, [1, 0])),
      'EF101',
      /^a\/b: mul: the second operand must broadcast to the first: float32\[2\] and float32\[3,2\] would give \[3,2\]/,
      /swap the operands/,
    ],
    [
      'the same for comparisons',
      ({ x, y }) => fn.less(y, fn.transpose(x, [1, 0])),
      'EF101',
      /a\/b: less: the second operand/,
      /swap/,
    ],
    [
      'the same for logic',
      ({ p, q }) => fn.and(p, q),
      'EF101',
      /a\/b: and: the second operand .*: bool\[3\] and bool\[2,3\]/,
      /swap/,
    ],
    [
      'the same for select',
      ({ x, y }) => fn.select(fn.less(y, 0), y, fn.transpose(x, [1, 0])),
      'EF101',
      /a\/b: select: the second operand/,
      /swap/,
    ],
    [
      'a condition of another shape',
      ({ x, p }) => fn.select(p, x, 0),
      'EF101',
      /a\/b: select: C3: a condition bool\[3\] for branches float32\[2,3\]/,
      null,
    ],
    [
      'dtypes',
      ({ x, i }) => fn.add(x, untyped(i)),
      'EF101',
      /a\/b: add: C2: operand dtypes differ: float32 and int32/,
      null,
    ],
    [
      'a fraction for integers',
      ({ i }) => fn.add(i, 1.5),
      'EF101',
      /^a\/b: add: the number 1\.5 is not an int32, which int32\[2,3\] needs\n {2}built at/,
      null,
    ],
    [
      'sizes that cannot be',
      ({ x }) => fn.reshape(x, [4, -1]),
      'EF101',
      /a\/b: reshape: float32\[2,3\] has 6 elements, which \[4,-1\] cannot hold/,
      null,
    ],
    ['two open sizes', ({ x }) => fn.reshape(x, [-1, -1]), 'EF101', /one size may be -1, got \[-1,-1\]/, null],
    [
      'other elements',
      ({ x }) => fn.reshape(x, [7]),
      'EF101',
      /reshape: C1: float32\[2,3\] has 6 elements, \[7\] has 7/,
      null,
    ],
    [
      'fewer axes',
      ({ x }) => fn.broadcastTo(x, [3]),
      'EF101',
      /broadcastTo: float32\[2,3\] has more axes than \[3\]/,
      /adds leading axes/,
    ],
    [
      'an axis beyond',
      ({ x }) => fn.mean(x, [2]),
      'EF101',
      /^a\/b: mean: float32\[2,3\] has no axis 2\n {2}built at .*functions-errors\.test\.ts:\d+:\d+$/,
      /axes are 0 to 1, or -2 to -1/,
    ],
    [
      'an axis before',
      ({ x }) => fn.softmax(x, -3),
      'EF101',
      /softmax: float32\[2,3\] has no axis -3/,
      /axes are 0 to 1/,
    ],
    [
      'an axis of a scalar',
      ({ x }) => fn.argMax(fn.mean(x)),
      'EF101',
      /argMax: float32\[\] has no axis -1/,
      /a scalar has no axes/,
    ],
    [
      'an axis twice',
      ({ x }) => fn.reduceSum(x, [1, -1]),
      'EF101',
      /reduceSum: C1: axes must be ascending and distinct, got \[1,1\]/,
      null,
    ],
    [
      'nothing to concatenate',
      () => fn.concatenate(untyped([]), 0),
      'EF103',
      /concatenate needs at least one tensor/,
      null,
    ],
    [
      'inner sizes',
      ({ x }) => fn.matmul(x, x),
      'EF101',
      /matmul: C4: inner sizes differ: 3 and 2\n {2}operands: float32\[2,3\], float32\[2,3\]/,
      null,
    ],
    ['more than there are', ({ x }) => fn.topK(x, 4).values, 'EF101', /topK: C2: the 4 largest of 3/, null],
    [
      'everything dropped',
      ({ x }) => fn.dropout(x, { rate: 1 }),
      'EF102',
      /"rate" of dropout must be a number from 0 to below 1, got 1/,
      null,
    ],
    [
      'no window',
      ({ x }) => fn.maxPool2d(fn.reshape(x, [1, 2, 3, 1]), untyped<never>({})),
      'EF102',
      /maxPool2d needs the attribute "window": two positive integers/,
      null,
    ],
    [
      'a word for a tensor',
      ({ x }) => fn.add(x, untyped('1')),
      'EF101',
      /add: a tensor of the graph is needed, got string/,
      /graph\(\) passes/,
    ],
    [
      'nothing for a tensor',
      () => fn.relu(untyped<never>(undefined)),
      'EF101',
      /relu: a tensor of the graph is needed, got undefined/,
      /graph\(\) passes/,
    ],
    [
      'a layer in a composite',
      ({ x }) => fn.composite('c', (v: Value<'float32', 2>) => nn.dense(v, { name: 'd', units: 2 }))(x),
      'EF101',
      /a\/b: composite: C2: a body has neither variables/,
      null,
    ],
    [
      'dropout in a composite',
      ({ x }) => fn.composite('c', (v: Value<'float32', 2>) => fn.dropout(v, { rate: 0.5 }))(x),
      'EF101',
      /a\/b: composite: C5: the body contains dropout/,
      null,
    ],
    [
      'random numbers in a composite',
      ({ x }) =>
        fn.composite('c', (v: Value<'float32', 2>) =>
          fn.mul(v, v.builder.randomUniformOf([2, 3], 's') as Value<'float32', 2>),
        )(x),
      'EF101',
      /C5: the body contains randomUniform/,
      null,
    ],
    [
      'a value from outside a composite',
      ({ x }) => fn.composite('c', (v: Value<'float32', 2>) => fn.add(v, x))(x),
      'EF110',
      /a value of another graph is used in c/,
      /pass it as an input/,
    ],
    [
      'an axis that is no list',
      ({ x }) => fn.mean(x, untyped<never>(1)),
      'EF101',
      /a\/b: mean: the axes must be a list of integers, got 1/,
      /\[1\]/,
    ],
    [
      'a size that is no list',
      ({ x }) => fn.reshape(x, untyped<never>(6)),
      'EF101',
      /reshape: the shape must be .*, got 6/,
      /\[6\]/,
    ],
    [
      'a shape that is none',
      ({ x }) => fn.broadcastTo(x, untyped<never>(undefined)),
      'EF101',
      /broadcastTo: the shape must be/,
      null,
    ],
    [
      'no order',
      ({ x }) => fn.transpose(x, untyped<never>(undefined)),
      'EF101',
      /transpose: the axes must be .*, got undefined/,
      null,
    ],
    [
      'no limits',
      ({ x }) => fn.slice(x, [0, 0], untyped<never>(undefined)),
      'EF101',
      /slice: limits must be a list/,
      null,
    ],
    [
      'padding all around',
      ({ x }) => fn.pad(x, untyped<never>(1), untyped<never>(1)),
      'EF101',
      /pad: low must be a list .*, got 1/,
      /\[1\]/,
    ],
    [
      'tensors that are no list',
      ({ x }) => fn.concatenate(untyped<never>(x), 0),
      'EF103',
      /at least one tensor, got no list/,
      /\[a, b\]/,
    ],
    [
      'no options to drop by',
      ({ x }) => fn.dropout(x, untyped<never>(undefined)),
      'EF102',
      /dropout needs the attribute "rate"/,
      null,
    ],
    [
      'no options of a pool',
      ({ x }) => fn.maxPool2d(fn.reshape(x, [1, 2, 3, 1]), untyped<never>(undefined)),
      'EF102',
      /maxPool2d needs the attribute "window"/,
      null,
    ],
    [
      'a composite without a name',
      ({ x }) => fn.composite('', (v: Value) => v)(x),
      'EF111',
      /a composite needs a name, got ""/,
      /gelu/,
    ],
    [
      'a composite of no function',
      ({ x }) => fn.composite('c', untyped<(v: Value) => Value>(3))(x),
      'EF111',
      /"c" needs a function/,
      null,
    ],
    [
      'gradients by one tensor',
      ({ x }) => untyped(gradients(fn.mean(x), untyped<never>(x))),
      'EF101',
      /gradients: a list of values is needed/,
      /\[x, w\]/,
    ],
    [
      'a composite of nothing',
      () => fn.composite('c', (...v: readonly Value[]) => v[0] as Value)(),
      'EF103',
      /the composite "c" needs at least one operand/,
      null,
    ],
  ])('%s', (_what, body, code, message, hint) => {
    const build = () => graph('m', types, (v, b) => ({ z: b.scope('a', () => b.scope('b', () => body(v))) }))
    expect(build).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringMatching(message),
        ...(hint === null ? {} : { hint: expect.stringMatching(hint) }),
      }),
    )
  })
})
