/** Layers: their variables, results and errors. */
import { describe, expect, test } from 'vitest'
import { graph } from '../../src/ir/model.ts'
import { relu, silu } from '../../src/ir/functions.ts'
import { nodesOf } from '../../src/ir/graph.ts'
import { type Numbers, interpret } from '../../src/ir/interpret.ts'
import * as nn from '../../src/ir/nn.ts'
import type { Graph } from '../../src/ir/types.ts'
import { float16, float32, type Image, int32, type Value } from '../../src/ir/value.ts'

const image = { x: float32('batch', 4, 4, 2) }
/** Name -> type, whether it is trained, and initial values. */
const variablesOf = (built: Graph) =>
  Object.fromEntries(
    nodesOf(built).flatMap((n) =>
      n.op === 'variable'
        ? [[n.attrs.name, [n.types[0]?.dtype, n.types[0]?.shape, n.attrs.trainable, n.attrs.init]]]
        : [],
    ),
  )
const outputType = (built: Graph) => {
  const [output] = built.outputs
  const node = output && built.nodes[output.value.id]
  return node?.types[output?.value.port ?? 0]
}
const run = (built: Graph, x: Numbers, variables: { readonly [name: string]: Numbers }) => [
  ...(interpret(built, { inputs: { x }, variables: new Map(Object.entries(variables)), mode: 'float64' }).outputs['y']
    ?.data ?? []),
]

/** Variance scaling over fan-out: 2 and truncated normal for convolutions, 1/3 and uniform for dense. */
const convInit = { kind: 'varianceScaling', scale: 2, mode: 'fanOut', distribution: 'truncatedNormal' }
const denseInit = { kind: 'varianceScaling', scale: 1 / 3, mode: 'fanOut', distribution: 'uniform' }
const [zeros, ones] = [{ kind: 'zeros' }, { kind: 'ones' }]

describe('variables', () => {
  test.each<[string, (x: Image) => Value, object]>([
    [
      'conv2d',
      (x) => nn.conv2d(x, { name: 'stem/conv', filters: 8, kernel: 3 }),
      { 'stem/conv/kernel': ['float32', [3, 3, 2, 8], true, convInit] },
    ],
    [
      'conv2d with a bias',
      (x) => nn.conv2d(x, { name: 'c', filters: 8, kernel: [1, 5], bias: true }),
      { 'c/kernel': ['float32', [1, 5, 2, 8], true, convInit], 'c/bias': ['float32', [8], true, zeros] },
    ],
    [
      'conv2d with initial values of its own',
      (x) => nn.conv2d(x, { name: 'c', filters: 1, kernel: 1, init: { kind: 'constant', value: 3 } }),
      { 'c/kernel': ['float32', [1, 1, 2, 1], true, { kind: 'constant', value: 3 }] },
    ],
    [
      'depthwiseConv2d',
      (x) => nn.depthwiseConv2d(x, { name: 'd', kernel: 5, bias: true }),
      { 'd/kernel': ['float32', [5, 5, 2, 1], true, convInit], 'd/bias': ['float32', [2], true, zeros] },
    ],
    [
      'batchNorm',
      (x) => nn.batchNorm(x, { name: 'stem/bn' }),
      {
        'stem/bn/scale': ['float32', [2], true, ones],
        'stem/bn/offset': ['float32', [2], true, zeros],
        'stem/bn/mean': ['float32', [2], false, zeros],
        'stem/bn/variance': ['float32', [2], false, ones],
      },
    ],
    [
      'squeezeExcite',
      (x) => nn.squeezeExcite(x, { name: 'se', reduced: 1, activation: silu }),
      {
        'se/reduce/kernel': ['float32', [1, 1, 2, 1], true, convInit],
        'se/reduce/bias': ['float32', [1], true, zeros],
        'se/expand/kernel': ['float32', [1, 1, 1, 2], true, convInit],
        'se/expand/bias': ['float32', [2], true, zeros],
      },
    ],
  ])('%s', (_name, body, want) => {
    expect(variablesOf(graph('m', image, ({ x }) => ({ y: body(x) })).at({ batch: 1 }))).toEqual(want)
  })
  test('dense has a bias by default', () => {
    const of = (bias?: boolean) =>
      variablesOf(
        graph('m', { x: float32('batch', 4) }, ({ x }) => ({
          y: nn.dense(x, { name: 'head/dense', units: 3, bias }),
        })).at({ batch: 1 }),
      )
    const kernel = { 'head/dense/kernel': ['float32', [4, 3], true, denseInit] }
    expect(of()).toEqual({ ...kernel, 'head/dense/bias': ['float32', [3], true, zeros] })
    expect(of(false)).toEqual(kernel)
  })
  test('names nest under scopes; a layer that is applied twice with sharing shares its variables', () => {
    const built = graph('m', image, ({ x }, b) => ({
      y: b.scope('blocks.0', () => {
        const same = { name: 'conv', filters: 2, kernel: 3 }
        return nn.conv2d(nn.conv2d(x, same), { ...same, share: true })
      }),
    })).at({ batch: 1 })
    expect(Object.keys(variablesOf(built))).toEqual(['blocks.0/conv/kernel'])
    expect(
      nodesOf(built)
        .filter((n) => n.op === 'conv2d')
        .map((n) => n.path),
    ).toEqual(['blocks.0/conv', 'blocks.0/conv'])
  })
  test('for half images, kernels are half, and variables of batch norms are float32', () => {
    const built = graph('m', { x: float16('batch', 4, 4, 2) }, ({ x }) => ({
      y: nn.batchNorm(nn.conv2d(x, { name: 'c', filters: 2, kernel: 1 }), { name: 'bn' }),
    })).at({ batch: 1 })
    expect(Object.entries(variablesOf(built)).map(([name, [dtype]]) => [name, dtype])).toEqual([
      ['c/kernel', 'float16'],
      ['bn/scale', 'float32'],
      ['bn/offset', 'float32'],
      ['bn/mean', 'float32'],
      ['bn/variance', 'float32'],
    ])
    expect(outputType(built)).toEqual({ dtype: 'float16', shape: [1, 4, 4, 2] })
  })
})

describe('shapes', () => {
  // TensorFlow's 'same': ceil(size / stride); 'valid': ceil((size - (kernel - 1) * dilation) / stride).
  test.each<[string, (x: Image) => Value, readonly number[]]>([
    ['same is the default', (x) => nn.conv2d(x, { name: 'c', filters: 5, kernel: 3 }), [3, 7, 6, 5]],
    ['strides', (x) => nn.conv2d(x, { name: 'c', filters: 5, kernel: 3, strides: 2 }), [3, 4, 3, 5]],
    ['strides of two kinds', (x) => nn.conv2d(x, { name: 'c', filters: 5, kernel: 3, strides: [1, 3] }), [3, 7, 2, 5]],
    ['valid', (x) => nn.conv2d(x, { name: 'c', filters: 5, kernel: [3, 2], padding: 'valid' }), [3, 5, 5, 5]],
    [
      'dilations',
      (x) => nn.conv2d(x, { name: 'c', filters: 5, kernel: 3, padding: 'valid', dilations: 2 }),
      [3, 3, 2, 5],
    ],
    [
      'explicit',
      (x) =>
        nn.conv2d(x, {
          name: 'c',
          filters: 5,
          kernel: 3,
          padding: [
            [1, 0],
            [2, 2],
          ],
        }),
      [3, 6, 8, 5],
    ],
    ['depthwise', (x) => nn.depthwiseConv2d(x, { name: 'd', kernel: 3, strides: 2 }), [3, 4, 3, 2]],
    ['batch norm', (x) => nn.batchNorm(x, { name: 'bn' }), [3, 7, 6, 2]],
    ['squeeze and excite', (x) => nn.squeezeExcite(x, { name: 'se', reduced: 1, activation: relu }), [3, 7, 6, 2]],
  ])('%s', (_name, body, shape) => {
    const built = graph('m', { x: float32('batch', 7, 6, 2) }, ({ x }) => ({ y: body(x) })).at({ batch: 3 })
    expect(outputType(built)).toEqual({ dtype: 'float32', shape })
  })
})

describe('values, by hand', () => {
  test('conv2d with a bias', () => {
    const built = graph('m', { x: float32(1, 1, 3, 2) }, ({ x }) => ({
      y: nn.conv2d(x, { name: 'c', filters: 1, kernel: [1, 2], padding: 'valid', bias: true }),
    })).at({ batch: 1 })
    // 1*1 + 2*10 + 3*100 + 4*1000 + 7, and the same one pixel further.
    expect(run(built, [1, 2, 3, 4, 5, 6], { 'c/kernel': [1, 10, 100, 1000], 'c/bias': [7] })).toEqual([4328, 6550])
  })
  test('depthwiseConv2d does not mix channels', () => {
    const built = graph('m', { x: float32(1, 1, 3, 2) }, ({ x }) => ({
      y: nn.depthwiseConv2d(x, { name: 'd', kernel: [1, 2], padding: 'valid' }),
    })).at({ batch: 1 })
    expect(run(built, [1, 2, 3, 4, 5, 6], { 'd/kernel': [1, 10, 100, 1000] })).toEqual([301, 4020, 503, 6040])
  })
  test('dense', () => {
    const built = graph('m', { x: float32(1, 2) }, ({ x }) => ({ y: nn.dense(x, { name: 'd', units: 3 }) })).at({
      batch: 1,
    })
    expect(run(built, [1, 2], { 'd/kernel': [1, 2, 3, 10, 20, 30], 'd/bias': [0, 0, 5] })).toEqual([21, 42, 68])
  })
  test('batchNorm uses the moving statistics until a mode is chosen', () => {
    const built = graph('m', { x: float32(2, 1) }, ({ x }) => ({ y: nn.batchNorm(x, { name: 'bn', epsilon: 1 }) })).at({
      batch: 1,
    })
    // (x - 1) / sqrt(3 + 1) * 10 + 5
    expect(run(built, [3, 1], { 'bn/scale': [10], 'bn/offset': [5], 'bn/mean': [1], 'bn/variance': [3] })).toEqual([
      15, 5,
    ])
  })
  test("batchNorm's defaults are the reference's: epsilon 1e-3, momentum 0.99", () => {
    const built = graph('m', image, ({ x }) => ({ y: nn.batchNorm(x, { name: 'bn' }) })).at({ batch: 1 })
    expect(nodesOf(built).find((n) => n.op === 'batchNorm')?.attrs).toEqual({ epsilon: 1e-3, momentum: 0.99 })
  })
  test('squeezeExcite: x times a gate per channel, from the means', () => {
    const built = graph('m', { x: float32(1, 1, 2, 2) }, ({ x }) => ({
      y: nn.squeezeExcite(x, { name: 'se', reduced: 1, activation: relu }),
    })).at({ batch: 1 })
    const variables = {
      'se/reduce/kernel': [1, -1],
      'se/reduce/bias': [3],
      'se/expand/kernel': [1, 0],
      'se/expand/bias': [0, Math.log(3)],
    }
    // Means 2 and 3; relu(2 - 3 + 3) = 2; gates sigmoid(2) and sigmoid(log 3) = 3/4.
    const gate = 1 / (1 + Math.exp(-2))
    const got = run(built, [1, 2, 3, 4], variables)
    ;[gate, 1.5, 3 * gate, 3].forEach((want, i) => expect(got[i]).toBeCloseTo(want, 12))
  })
})

describe('invalid arguments of layers', () => {
  const untyped = <T>(x: unknown): T => x as T
  const conv = { name: 'c', filters: 2, kernel: 3 }
  test.each<[string, (x: Image) => Value, string, string | undefined, RegExp]>([
    [
      'no name',
      (x) => nn.conv2d(x, untyped({ filters: 2, kernel: 3 })),
      'EF111',
      'outer',
      /nn\.conv2d: a layer with variables needs a name, got undefined/,
    ],
    [
      'an empty name',
      (x) => nn.batchNorm(x, { name: '' }),
      'EF111',
      'outer',
      /nn\.batchNorm: a layer with variables needs a name, got ""/,
    ],
    [
      'no filters',
      (x) => nn.conv2d(x, untyped({ name: 'c', kernel: 3 })),
      'EF111',
      'outer/c',
      /^outer\/c: filters must be a positive integer, got undefined$/,
    ],
    [
      'a fraction of a filter',
      (x) => nn.conv2d(x, { ...conv, filters: 1.5 }),
      'EF111',
      'outer/c',
      /filters must be a positive integer, got 1.5/,
    ],
    [
      'no kernel',
      (x) => nn.depthwiseConv2d(x, untyped({ name: 'c' })),
      'EF111',
      'outer/c',
      /kernel must be a positive integer, got undefined/,
    ],
    [
      'an empty kernel',
      (x) => nn.conv2d(x, { ...conv, kernel: [3, 0] }),
      'EF111',
      'outer/c',
      /kernel must be a positive integer, got 0/,
    ],
    [
      'no units',
      (x) => nn.dense(untyped(relu(x.builder.reshape(x, [2, 32]) as Image)), { name: 'd', units: 0 }),
      'EF111',
      'outer/d',
      /units must be a positive integer, got 0/,
    ],
    [
      'nothing to squeeze into',
      (x) => nn.squeezeExcite(x, { name: 'se', reduced: 0, activation: silu }),
      'EF111',
      'outer/se',
      /reduced must be a positive integer, got 0/,
    ],
    [
      'another rank',
      (x) => nn.dense(untyped(x), { name: 'd', units: 2 }),
      'EF101',
      'outer/d',
      /^outer\/d: nn\.dense takes a tensor of rank 2, got float32\[2,4,4,2\]$/,
    ],
    [
      'an unknown padding',
      (x) => nn.conv2d(x, { ...conv, padding: untyped('SAME') }),
      'EF102',
      'outer/c',
      /"padding" of conv2d must be "same", "valid" or/,
    ],
    [
      'strides of 0',
      (x) => nn.conv2d(x, { ...conv, strides: 0 }),
      'EF102',
      'outer/c',
      /"strides" of conv2d must be two positive integers, got \[0,0\]/,
    ],
    [
      'a kernel larger than the image',
      (x) => nn.conv2d(x, { ...conv, kernel: 5, padding: 'valid' }),
      'EF101',
      'outer/c',
      /outer\/c: conv2d: C4: a 5x5 window does not fit into 4x4\n {2}operands: float32\[2,4,4,2\], float32\[5,5,2,2\]\n {2}built at .*nn\.test\.ts/,
    ],
    [
      'a negative epsilon',
      (x) => nn.batchNorm(x, { name: 'bn', epsilon: -1 }),
      'EF102',
      'outer/bn',
      /"epsilon" of batchNorm must be a number of at least 0, got -1/,
    ],
    [
      'a momentum above 1',
      (x) => nn.batchNorm(x, { name: 'bn', momentum: 2 }),
      'EF102',
      'outer/bn',
      /"momentum" of batchNorm must be a number from 0 to 1, got 2/,
    ],
    [
      'a name for two shapes',
      (x) => nn.conv2d(nn.conv2d(x, conv), { ...conv, filters: 3, share: true }),
      'EF107',
      'outer/c/kernel',
      /"outer\/c\/kernel" has the type float32\[3,3,2,2\] already, and is declared again as float32\[3,3,2,3\]/,
    ],
    [
      'a name that is taken, of the same shape',
      (x) => nn.conv2d(nn.conv2d(x, conv), conv),
      'EF107',
      'outer/c',
      /the name "outer\/c" is taken by nn\.conv2d at .*nn\.test\.ts:\d+:\d+, and is used again for nn\.conv2d/,
    ],
    [
      'a name that another kind has, shared or not',
      (x) => nn.batchNorm(nn.conv2d(x, conv), { name: 'c', share: true }),
      'EF107',
      'outer/c',
      /is taken by nn\.conv2d at .*, and is used again for nn\.batchNorm/,
    ],
    [
      'a squeeze and excite of a name that is taken',
      (x) => {
        const options = { name: 'se', reduced: 2, activation: relu }
        return nn.squeezeExcite(nn.squeezeExcite(x, options), options)
      },
      'EF107',
      'outer/se',
      /"outer\/se" is taken by nn\.squeezeExcite/,
    ],
    [
      'a misspelt option',
      (x) => nn.conv2d(x, untyped({ ...conv, stride: 2 })),
      'EF403',
      undefined,
      /nn\.conv2d\(\) has no option "stride"; it has name, filters, kernel, strides/,
    ],
    [
      'no options',
      (x) => nn.conv2d(x, untyped(undefined)),
      'EF403',
      undefined,
      /nn\.conv2d\(\) takes an object of options, .*, got undefined/,
    ],
    [
      'no activation',
      (x) => nn.squeezeExcite(x, untyped({ name: 'se', reduced: 1 })),
      'EF403',
      'outer/se',
      /outer\/se: .* needs the option "activation"/,
    ],
    [
      'no tensor',
      () => nn.conv2d(untyped([1, 2]), conv),
      'EF101',
      undefined,
      /nn\.conv2d: a tensor of the graph is needed, got object/,
    ],
    [
      'no tensor to normalise',
      () => nn.batchNorm(untyped(null), { name: 'bn' }),
      'EF101',
      undefined,
      /nn\.batchNorm: a tensor of the graph is needed, got null/,
    ],
  ])('%s', (_what, body, code, path, message) => {
    const build = () => graph('m', image, ({ x }, b) => ({ y: b.scope('outer', () => body(x)) }))
    expect(build).toThrow(expect.objectContaining({ code, path, message: expect.stringMatching(message) }))
  })
  test('integers', () => {
    const build = () =>
      graph('m', { x: int32(1, 4, 4, 2) }, ({ x }) => ({ y: nn.batchNorm(untyped<Image>(x), { name: 'bn' }) }))
    expect(build).toThrow(
      expect.objectContaining({
        code: 'EF101',
        message: expect.stringMatching(/batchNorm: C1: a float operand .* got int32/),
      }),
    )
  })
})
