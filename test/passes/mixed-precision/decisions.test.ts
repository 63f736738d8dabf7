/** Decisions of mixed precision, on the smallest program for each reason. */
import { describe, expect, test } from 'vitest'
import { liveOrder, nodesOfOp, typeOf } from '../../../src/ir/graph.ts'
import { parse } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import { genericTarget, type TargetInfo } from '../../../src/ir/target.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { amp } from '../../../src/passes/mixed-precision/amp.ts'
import type { AmpOptions } from '../../../src/passes/mixed-precision/options.ts'
import { decisionOf } from '../../../src/passes/mixed-precision/report.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { parsePipeline } from '../../../src/passes/registry.ts'
import { runPipeline } from '../../../src/passes/runner.ts'

const halved = (text: string, options: AmpOptions = {}, target: Partial<TargetInfo> = {}) => {
  const { program, records } = runPipeline(pipeline([amp(options)]), programOf(parse(text)), {
    target: { ...genericTarget, ...target },
    verify: true,
  })
  const graph = graphOf(program)
  return { graph, text: print(graph), report: decisionOf(graph)?.report, record: records[0] }
}
const network = (middle: string, result = '%z', more = '') => `graph g {
  %x = input() {name="x"} : float32[1,4,4,2]
  %k = variable() {name="k"} : float32[1,1,2,2]
  %b = variable() {name="b"} : float32[2]
  %y = conv2d(%x, %k) : float32[1,4,4,2] @ stem/conv
  ${middle}
  return z = ${result}${more}
}`
const golden = (got: string, want: string): void => expect(got).toBe(print(parse(want)))
const dtypeOf = (graph: Graph, op: Parameters<typeof nodesOfOp>[1]): readonly string[] =>
  nodesOfOp(graph, op).map((n) => n.types[0]?.dtype ?? '')

test('a convolution and its epilogue are half, master weights are cast at their uses, and each end has one cast', () => {
  golden(
    halved(
      network(
        '%r = broadcast(%b) {axes=[3], shape=[1, 4, 4, 2]} : float32[1,4,4,2] %s = add(%y, %r) : float32[1,4,4,2] @ stem/conv %z = relu(%s) : float32[1,4,4,2] @ stem',
      ),
      {},
      { wideOutputs: false },
    ).text,
    `graph g {
      %x = input() {name="x"} : float32[1,4,4,2]
      %xh = cast(%x) {relaxed=true, to="float16"} : float16[1,4,4,2]
      %k = variable() {name="k"} : float32[1,1,2,2]
      %kh = cast(%k) {relaxed=true, to="float16"} : float16[1,1,2,2]
      %y = conv2d(%xh, %kh) : float16[1,4,4,2] @ stem/conv
      %b = variable() {name="b"} : float32[2]
      %bh = cast(%b) {relaxed=true, to="float16"} : float16[2]
      %r = broadcast(%bh) {axes=[3], shape=[1, 4, 4, 2]} : float16[1,4,4,2]
      %s = add(%y, %r) : float16[1,4,4,2] @ stem/conv
      %t = relu(%s) : float16[1,4,4,2] @ stem
      %z = cast(%t) {relaxed=true, to="float32"} : float32[1,4,4,2] @ stem
      return z = %z
    }`,
  )
})

test('if the machine supports it, a result is float32 without a cast; strict casts are exact', () => {
  const { text, report } = halved(network('%z = exp(%y) : float32[1,4,4,2]'), { strict: true, dtype: 'bfloat16' })
  golden(
    text,
    `graph g {
      %x = input() {name="x"} : float32[1,4,4,2]
      %xh = cast(%x) {to="bfloat16"} : bfloat16[1,4,4,2]
      %k = variable() {name="k"} : float32[1,1,2,2]
      %kh = cast(%k) {to="bfloat16"} : bfloat16[1,1,2,2]
      %y = conv2d(%xh, %kh) {resultDtype="float32"} : float32[1,4,4,2] @ stem/conv
      %z = exp(%y) : float32[1,4,4,2]
      return z = %z
    }`,
  )
  expect(report).toMatchObject({ casts: 1, absorbed: 1, weightCasts: 1, lowerBound: 1 })
})

test('without a contraction, nothing is half', () => {
  const { record } = halved('graph g { %x = input() {name="x"} : float32[4] %y = relu(%x) : float32[4] return y = %y }')
  expect(record?.changed).toBe(false)
})

test('a value needed in both types has one shared cast', () => {
  const { graph, report } = halved(
    network(
      '%e = exp(%y) : float32[1,4,4,2] %c = conv2d(%y, %k) : float32[1,4,4,2] %z = add(%e, %c) : float32[1,4,4,2]',
    ),
  )
  expect(dtypeOf(graph, 'conv2d')).toEqual(['float16', 'float32'])
  expect(report).toMatchObject({ casts: 2, lowerBound: 2, absorbed: 1 })
})

describe('statistics stay float32', () => {
  const norm =
    '%o = variable() {name="o"} : float32[2] %n:4 = batchNormTraining(%y, %b, %o) {epsilon=0.001} : float32[1,4,4,2], float32[2], float32[2], float32[2]'
  test('a batch norm has half operands and results; its vectors are float32', () => {
    const { graph } = halved(network(`${norm} %z = conv2d(%n.0, %k) : float32[1,4,4,2]`, '%z', ', mean = %n.1'))
    expect(nodesOfOp(graph, 'batchNormTraining')[0]?.types.map((t) => t.dtype)).toEqual([
      'float16',
      'float32',
      'float32',
      'float32',
    ])
  })
  test('a sum between contractions is half at both ends and float32 inside', () => {
    const { graph, report } = halved(
      network('%m = mean(%y) {axes=[1, 2], keepDims=true} : float32[1,1,1,2] %z = conv2d(%m, %k) : float32[1,1,1,2]'),
    )
    expect(dtypeOf(graph, 'mean')).toEqual(['float16'])
    expect(report).toMatchObject({ casts: 1, absorbed: 1 })
  })
})

describe('into a variable', () => {
  const descent = (result: string) => `graph g {
    %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]
    %g = conv2dFilterGradient(%x, %x) {filterShape=[1, 1, 2, 2]} : float32[1,1,2,2]
    %lr = constant() {value=0.01} : float32[1,1,2,2]  %d = mul(%g, %lr) : float32[1,1,2,2]  %n = sub(%k, %d) : float32[1,1,2,2]
    update %k = %n
    return ${result}
  }`
  test.each([true, false])('the gradient step is float32, with and without wide results (%s)', (wideOutputs) => {
    const { graph } = halved(descent('x = %x'), {}, { wideOutputs })
    expect([...dtypeOf(graph, 'mul'), ...dtypeOf(graph, 'sub')]).toEqual(['float32', 'float32'])
  })
})

test('a depthwise filter gradient is half on the way into its kernel, also where its half kernel is slow', () => {
  const text = `graph g {
    %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]  %d = variable() {name="d"} : float32[3,3,2,1]
    %y = conv2d(%x, %k) : float32[1,4,4,2]
    %g = depthwiseConv2dFilterGradient(%y, %y) {filterShape=[3, 3, 2, 1]} : float32[3,3,2,1]
    update %d = %g
    return x = %x
  }`
  const { graph, report } = halved(text, {}, { fastHalfDepthwise: false })
  expect(nodesOfOp(graph, 'depthwiseConv2dFilterGradient')[0]?.attrs.resultDtype).toBe('float32')
  expect(report).toMatchObject({ casts: 1, absorbed: 1 })
})

describe('users read a value in the type in which it is computed', () => {
  const readers = (value: string) =>
    network(
      `%c = conv2d(%y, %k) : float32[1,4,4,2] %f = isFinite(${value}) : bool[1,4,4,2] %z0 = constant() {value=0} : float32[1,4,4,2] %g = compare(${value}, %z0) {direction="gt"} : bool[1,4,4,2] %z = add(%c, %x) : float32[1,4,4,2]`,
      '%z',
      ', finite = %f, positive = %g',
    )
  const operandOf = (graph: Graph, op: 'isFinite' | 'compare'): string | undefined => {
    const [node] = nodesOfOp(graph, op)
    const [operand] = node?.inputs ?? []
    return operand === undefined ? undefined : typeOf(graph, operand).dtype
  }
  test('half values are read without a cast', () => {
    const { graph, report } = halved(readers('%y'))
    expect([operandOf(graph, 'isFinite'), operandOf(graph, 'compare')]).toEqual(['float16', 'float16'])
    expect(report).toMatchObject({ casts: 1, absorbed: 1 })
  })
  test('and not in the half copy that others need', () => {
    const { graph, report } = halved(readers('%x'))
    expect([operandOf(graph, 'isFinite'), operandOf(graph, 'compare')]).toEqual(['float32', 'float32'])
    expect(report).toMatchObject({ casts: 1, absorbed: 1 })
  })
})

describe('literals', () => {
  const by = (value: string) =>
    network(
      `%c = constant() {value=${value}} : float32[1,4,4,2] %m = mul(%y, %c) : float32[1,4,4,2] %z = conv2d(%m, %k) : float32[1,4,4,2]`,
    )
  test('are half if the type can represent them', () => {
    const { graph, report } = halved(by('65504'))
    expect(dtypeOf(graph, 'constant')).toEqual(['float16'])
    expect(report?.warnings).toEqual([])
  })
  test.each([
    ['65505', 'float16', 'mul stays float32, since float16 does not hold its literal: 65505 is beyond 65504'],
    ['1e-9', 'float16', 'mul stays float32, since float16 does not hold its literal: 1e-9 would become 0'],
    [
      '3.4e38',
      'bfloat16',
      'mul stays float32, since bfloat16 does not hold its literal: 3.4e+38 is beyond 3.3895313892515355e+38',
    ],
  ] as const)('%s stays float32 in %s, with a warning', (value, dtype, warning) => {
    const { graph, report, record } = halved(by(value), { dtype })
    expect(dtypeOf(graph, 'mul')).toEqual(['float32'])
    expect(dtypeOf(graph, 'constant')).toEqual(['float32'])
    expect(report?.warnings).toEqual([warning])
    expect(record?.report).toMatchObject({ 'literals kept in float32': 1 })
  })
  test('in bfloat16 a large one gives no warning', () => {
    expect(dtypeOf(halved(by('1e6'), { dtype: 'bfloat16' }).graph, 'mul')).toEqual(['bfloat16'])
  })
  test('infinities stay infinities, also in padding', () => {
    const pad = (value: string) =>
      network(
        `%p = pad(%y) {high=[0, 0, 0, 0], interior=[0, 0, 0, 0], low=[0, 1, 0, 0], value=${value}} : float32[1,5,4,2] %z = conv2d(%p, %k) : float32[1,5,4,2]`,
      )
    expect(dtypeOf(halved(pad('-inf')).graph, 'pad')).toEqual(['float16'])
    expect(dtypeOf(halved(pad('1e6')).graph, 'pad')).toEqual(['float32'])
  })
  test('indices that half cannot represent exactly stay float32', () => {
    const by = (size: number) => `graph g {
      %x = input() {name="x"} : float32[${size},2]  %k = variable() {name="k"} : float32[2,2]
      %y = matmul(%x, %k) : float32[${size},2]
      %i = iota() {axis=0, dtype="float32", shape=[${size}, 2]} : float32[${size},2]
      %m = mul(%y, %i) : float32[${size},2]  %z = matmul(%m, %k) : float32[${size},2]
      return z = %z
    }`
    expect(dtypeOf(halved(by(2049)).graph, 'mul')).toEqual(['float16'])
    expect(dtypeOf(halved(by(2050)).graph, 'mul')).toEqual(['float32'])
  })
})

describe('options of the user', () => {
  const two = network('%t = tanh(%y) : float32[1,4,4,2] @ head/act %z = conv2d(%t, %k) : float32[1,4,4,2] @ head/conv')
  const dtypes = (options: AmpOptions, target: Partial<TargetInfo> = {}) => {
    const { graph } = halved(two, options, { wideOutputs: false, ...target })
    return liveOrder(graph).flatMap((n) =>
      ['conv2d', 'tanh'].includes(n.op) ? [`${n.path} ${n.types[0]?.dtype}`] : [],
    )
  }
  test('by default', () => expect(dtypes({})).toEqual(['stem/conv float16', 'head/act float16', 'head/conv float16']))
  test('an op denied', () =>
    expect(dtypes({ deny: ['tanh'] })).toEqual(['stem/conv float16', 'head/act float32', 'head/conv float16']))
  test('paths kept', () =>
    expect(dtypes({ keep: ['head/*', '!head/act'] })).toEqual([
      'stem/conv float16',
      'head/act float16',
      'head/conv float32',
    ]))
  test('a kept layer also keeps its gradients', () => {
    const text = two.replace('@ head/conv', '@ grad(head/conv)')
    expect(dtypeOf(halved(text, { keep: ['head/conv'] }, { wideOutputs: false }).graph, 'conv2d')).toEqual([
      'float16',
      'float32',
    ])
  })
  test('an op allowed that denies itself', () =>
    expect(dtypeOf(halved(two.replace('tanh', 'exp'), { allow: ['exp'] }).graph, 'exp')).toEqual(['float16']))
  test('an op removed from its list', () => {
    expect(halved(two, { allow: ['!conv2d'] }).record?.changed).toBe(false)
    expect(dtypeOf(halved(two.replace('tanh', 'exp'), { deny: ['!exp'] }).graph, 'exp')).toEqual(['float16'])
  })
  test.each<[string, AmpOptions, RegExp]>([
    ['an op in two lists', { allow: ['exp'], deny: ['exp'] }, /the op "exp" is in two lists/],
    ['an op that is none', { deny: ['softmx'] }, /there is no op "softmx" to allow or deny/],
    ['an op of models', { deny: ['batchNorm'] }, /mixed precision never meets the op "batchNorm"/],
    ['composites all together', { allow: ['!composite'] }, /mixed precision never meets the op "composite"/],
    ['a path that is none', { keep: ['hed/*'] }, /"keep" names "hed\/\*", which fits no path/],
  ])('%s is a mistake', (_name, options, message) => {
    expect(() => halved(two, options)).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringMatching(message) }),
    )
  })
})

test('the pass has a text form, in which options are checked', () => {
  const text = 'amp{dtype="bfloat16", deny=["tanh"], keep=["head/*"], strict=true}'
  expect(parsePipeline(text).toString()).toBe(text)
  expect(parsePipeline('amp').toString()).toBe('amp{dtype="float16"}')
  expect(() => parsePipeline('amp{dtype=float8}')).toThrow(
    expect.objectContaining({ code: 'EF302', message: expect.stringContaining("'float16' or 'bfloat16'") }),
  )
  expect(() => parsePipeline('amp{keeps=["x"]}')).toThrow(expect.objectContaining({ code: 'EF302' }))
})

test('a depthwise convolution follows its neighbors if its half kernel is slow, and becomes half by itself if it is fast', () => {
  const text = `graph g {
    %x = input() {name="x"} : float32[1,4,4,2]  %d = variable() {name="d"} : float32[3,3,2,1]
    %z = depthwiseConv2d(%x, %d) : float32[1,4,4,2]
    return z = %z
  }`
  expect(dtypeOf(halved(text, {}, { wideOutputs: false }).graph, 'depthwiseConv2d')).toEqual(['float16'])
  expect(halved(text, {}, { fastHalfDepthwise: false }).record?.changed).toBe(false)
})

describe('graphs that already have half types', () => {
  test('half graphs do not change; another half type is ignored', () => {
    const half = `graph g {
      %x = input() {name="x"} : bfloat16[1,4,4,2]  %k = variable() {name="k"} : bfloat16[1,1,2,2]
      %y = conv2d(%x, %k) : bfloat16[1,4,4,2]
      return y = %y
    }`
    expect(halved(half).record?.changed).toBe(false)
    expect(halved(half, { dtype: 'bfloat16' }).record?.changed).toBe(false)
  })
  test('an existing cast is reused before one is added', () => {
    const { text, report } = halved(
      network('%h = cast(%x) {to="float16"} : float16[1,4,4,2] %z = add(%y, %x) : float32[1,4,4,2]', '%z', ', h = %h'),
    )
    expect(report).toMatchObject({ casts: 0, absorbed: 1 })
    expect(text.match(/cast\(%0\)/g)).toHaveLength(1)
  })
  test('a rounding that the user wrote is not undone', () => {
    const { text } = halved(
      `graph g {
        %x = input() {name="x"} : float32[4]  %h = cast(%x) {to="float16"} : float16[4]  %y = cast(%h) {to="float32"} : float32[4]
        return y = %y
      }`,
    )
    expect(text).toContain('cast(%0) {to="float16"}')
    expect(text).toContain('cast(%1) {to="float32"}')
  })
})

describe("a user's composite", () => {
  const call = (ampClass: string) =>
    network(
      `%s = composite(%y) {amp="${ampClass}", body=(%0: float32[1,4,4,2]) {
        %1 = sigmoid(%0) : float32[1,4,4,2]  %2 = mul(%0, %1) : float32[1,4,4,2]
        return %2
      }, name="swish"} : float32[1,4,4,2]
      %z = conv2d(%s, %k) : float32[1,4,4,2]`,
    )
  const bodyOf = (graph: Graph): string => {
    const [node] = nodesOfOp(graph, 'composite')
    return node === undefined ? '' : print(node.attrs.body)
  }
  test('is half as a whole, its body too', () => {
    const body = bodyOf(halved(call('infer')).graph)
    expect(body).not.toContain('float32')
    expect(body).not.toContain('cast')
  })
  test('wide: half at its ends, float32 inside', () =>
    golden(
      bodyOf(halved(call('wide')).graph),
      `graph body {
        %0 = input() {name="0"} : float16[1,4,4,2]
        %1 = cast(%0) {relaxed=true, to="float32"} : float32[1,4,4,2]
        %2 = sigmoid(%1) : float32[1,4,4,2]
        %3 = mul(%1, %2) : float32[1,4,4,2]
        %4 = cast(%3) {relaxed=true, to="float16"} : float16[1,4,4,2]
        return %4
      }`,
    ))
  test('wide: literals that a pass turned into operands stay float32', () => {
    const table = Array.from({ length: 32 }, (_, i) => 1 + i * 2 ** -20) // not exact in half
    const image = 'float32[1,4,4,2]'
    const { graph } = halved(
      network(
        `%t = constant() {value=[${table.join(', ')}]} : ${image}
        %s = composite(%y, %t) {amp="wide", name="scaled", body=(%0: ${image}, %1: ${image}) {
          %2 = mul(%0, %1) : ${image}
          return %2
        }} : ${image}
        %z = conv2d(%s, %k) : ${image}`,
      ),
    )
    const [node] = nodesOfOp(graph, 'composite')
    expect(node?.inputs.map((ref) => typeOf(graph, ref).dtype)).toEqual(['float16', 'float32'])
  })
  test('denied by its name', () => {
    const { graph } = halved(call('infer'), { deny: ['swish'] })
    expect(nodesOfOp(graph, 'composite')[0]?.types[0]?.dtype).toBe('float32')
    expect(bodyOf(graph)).toContain('float32')
  })
})

test("TensorFlow's strategy keeps the surroundings of a float32 contraction in float32", () => {
  const text = network(
    '%e = exp(%y) : float32[1,4,4,2] %w = conv2d(%e, %k) : float32[1,4,4,2] @ head/conv %z = relu(%w) : float32[1,4,4,2]',
  )
  const { graph, report } = halved(text, { strategy: 'tensorflow', keep: ['head/*'] }, { wideOutputs: false })
  expect(dtypeOf(graph, 'relu')).toEqual(['float32'])
  expect(report).toMatchObject({ casts: 2, lowerBound: 2 })
})
