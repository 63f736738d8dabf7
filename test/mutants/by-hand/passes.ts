/** Passes that change the meaning of a graph, or do not have their effect. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const passes = ['test/passes/laws.test.ts', 'test/passes/passes.test.ts', 'test/passes/goldens.test.ts']

export const passMutants: readonly Mutant[] = [
  ...mutantsOf('src/passes/simplify/arithmetic.ts', passes, [
    [
      '0 - x becomes x, as x - 0 does',
      "(n, m) => withoutUnit(n, m, 0, 'right')),",
      "(n, m) => withoutUnit(n, m, 0, 'both')),",
    ],
    [
      '1 / x becomes x',
      "rule('x / 1 -> x', 'div', (n, m) => withoutUnit(n, m, 1, 'right'))",
      "rule('x / 1 -> x', 'div', (n, m) => withoutUnit(n, m, 1, 'both'))",
    ],
    ['x / c becomes x * c', 'm.b.splat(1 / c, type)', 'm.b.splat(c, type)'],
    ['x / c becomes a product for every c', 'c === null || !isPowerOfTwo(c)) return null', 'c === null) return null'],
    ['a - neg(b) becomes a - b', "m.b.emit1('add', [pair[0], inner], {})", "m.b.emit1('sub', [pair[0], inner], {})"],
    ['a select by a literal takes the wrong branch', '(known === 1 ? a : b)', '(known === 1 ? b : a)'],
    [
      'neg(neg(x)) becomes neg(x)',
      "rule('neg(neg(x)) -> x', 'neg', throughTwice)",
      "rule('neg(neg(x)) -> x', 'neg', onceIsEnough)",
    ],
  ]),
  ...mutantsOf('src/passes/simplify/movement.ts', passes, [
    [
      'transposes are composed in the wrong order',
      'permutation: n.attrs.permutation.map((axis) => inner.attrs.permutation[axis] ?? axis)',
      'permutation: inner.attrs.permutation.map((axis) => n.attrs.permutation[axis] ?? axis)',
    ],
    ['a cast from float32 to int32 counts as exact', 'float32: [],', "float32: ['int32'],"],
    ['a pad with only interior padding is removed', '&& allZero(n.attrs.interior) ?', '?'],
    [
      'two reverses of different axes cancel',
      "inner?.op === 'reverse' && sameShape(inner.attrs.axes, n.attrs.axes) ?",
      "inner?.op === 'reverse' ?",
    ],
    [
      'composed broadcasts keep only the axes of the inner one',
      'axes: inner.attrs.axes.map((axis) => n.attrs.axes[axis] ?? axis)',
      'axes: inner.attrs.axes',
    ],
  ]),
  ...mutantsOf('src/ir/exact-json.ts', passes, [
    ['0 and -0 are the same literal', 'Object.is(part, -0) || !Number.isFinite(part)', '!Number.isFinite(part)'],
  ]),
  ...mutantsOf('src/passes/equal-nodes.ts', passes, [
    ['ports are not distinguished', "ref.port}`).join(',')", "0}`).join(',')"],
    ['types are not distinguished', 'node.types.map(showType)', 'node.types.slice(0, 0).map(showType)'],
  ]),
  ...mutantsOf('src/passes/fold-batch-norm.ts', passes, [
    ['a convolution with other uses is folded', 'length === 1 && !rootKeys(graph).has(refKey(x))', 'length === 1'],
    ['the mean is added', 'b.sub(offset, b.mul(mean, s))', 'b.add(offset, b.mul(mean, s))'],
    [
      'the channels of a depthwise kernel are its last axis',
      "conv.op === 'conv2d' ? s : b.reshape(s, [...s.shape, 1])",
      's',
    ],
  ]),
  ...mutantsOf('src/passes/fold-constants.ts', passes, [
    ['0 and -0 are the same number', 'data.every((x) => Object.is(x, first))', 'data.every((x) => x === first)'],
  ]),
  ...mutantsOf(
    'src/passes/hoist-prepare.ts',
    [...passes, 'test/executable/executable.test.ts'],
    [
      [
        'values are hoisted from a step with updates',
        'run === undefined || run.updates.length > 0 ||',
        'run === undefined ||',
      ],
      [
        'random numbers are drawn once',
        "node.op === 'variable' || node.op === 'constant' || node.op === 'iota'\n",
        "node.op === 'variable' || node.op === 'constant' || node.op === 'iota' || node.op === 'randomUniform'\n",
      ],
    ],
  ),
  ...mutantsOf('src/passes/to-inference.ts', passes, [
    ['updates are kept', 'if (graph.updates.length > 0) edit.setUpdates([])', ''],
  ]),
  ...mutantsOf(
    'src/passes/autodiff/reverse.ts',
    ['test/passes/autodiff.test.ts'],
    [
      [
        'the last of several gradients of a value replaces the others',
        'sum === undefined ? part : part.builder.add(sum, part)',
        'part',
      ],
      ['the walk goes forwards', 'of target.nodes.toReversed()', 'of target.nodes'],
      [
        'nodes that do not depend on the requested values are visited',
        '|| !node.inputs.some((input) => reaches.has(input.id))) continue',
        ') continue',
      ],
    ],
  ),
  ...mutantsOf(
    'src/passes/spatial/row-rules.ts',
    ['test/passes/spatial-partition.test.ts'],
    [
      [
        'a part has no padding below the image',
        'const rowPadding: Pair = [from - all.from, all.to - to]',
        'const rowPadding: Pair = [from - all.from, 0]',
      ],
      [
        'a part takes one row less than its last window covers',
        '(to - 1) * height.stride - height.before + extent',
        '(to - 1) * height.stride - height.before + extent - 1',
      ],
    ],
  ),
  ...mutantsOf(
    'src/passes/spatial-partition.ts',
    ['test/passes/spatial-partition.test.ts'],
    [
      [
        'rows of other parts are not exchanged',
        'if (image.isExchanged)\n',
        'if (image.isExchanged && rows.from < 0)\n',
      ],
    ],
  ),
]
