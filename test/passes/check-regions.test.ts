/** `verify: true` on networks that are too large to run as a whole: it extracts and compares the changed parts. */
import { describe, expect, test } from 'vitest'
import { fuseTfjs } from '../../src/backends/tfjs/fuse-tfjs.ts'
import { Edit } from '../../src/ir/edit.ts'
import { findNode, liveOrder } from '../../src/ir/graph.ts'
import { parse } from '../../src/ir/parse.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import { genericTarget } from '../../src/ir/target.ts'
import type { Graph, Node, Ref } from '../../src/ir/types.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { checkMeaning } from '../../src/passes/check-meaning.ts'
import { checkRegions } from '../../src/passes/check-regions.ts'
import { cse } from '../../src/passes/cse.ts'
import { definePass, type Pass, type Preserves } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const b0 = runPipeline(parsePipeline('to-inference'), programOf(efficientNet('b0').at({ batch: 1 }))).program
const checked = (passes: readonly Pass[], program = b0) =>
  runPipeline(pipeline(passes), program, { judge: meaningJudge }).records

const rewriting = (preserves: Preserves, op: OpName, change: (edit: Edit, node: Node, at: number) => void): Pass =>
  definePass({
    name: 'wrong',
    summary: 'a mistake',
    phase: 'simplify',
    preserves,
    run: (graph) => {
      const edit = new Edit(graph, 'wrong')
      liveOrder(graph)
        .filter((n) => n.op === op)
        .forEach((node, at) => change(edit, node, at))
      return edit.commit()
    },
  })
const regionOptions = { isExact: false, mode: 'float64', guess: false, positive: new Set<string>(), seed: 1 } as const
const refOf = (node: Node): Ref => ({ id: node.id, port: 0 })

/** fold-batch-norm with a deliberate fault. */
const folding = (mistake: 'none' | 'epsilon' | 'axis' | 'mean', only: number | null = null): Pass =>
  rewriting('rounding', 'batchNormInference', (edit, bn, at) => {
    if (bn.op !== 'batchNormInference' || (only !== null && at !== only)) return
    const conv = findNode(edit.base, (bn.inputs[0] as Ref).id)
    if (conv?.op !== 'conv2d' && conv?.op !== 'depthwiseConv2d') return
    const b = edit.emitter([bn, conv], bn.path)
    const value = (ref: Ref | undefined) => edit.value(ref as Ref, b) // arities 5 and 2
    const [scale, offset, mean, variance] = bn.inputs.slice(1).map(value)
    const kernel = value(conv.inputs[1])
    if (scale === undefined || offset === undefined || mean === undefined || variance === undefined) return
    const s = b.mul(scale, b.rsqrt(mistake === 'epsilon' ? variance : b.add(variance, bn.attrs.epsilon)))
    const inputs = kernel.shape[2] as number
    const perFilter =
      conv.op === 'depthwiseConv2d'
        ? b.reshape(s, [...s.shape, 1])
        : mistake === 'axis' && inputs === s.shape[0]
          ? b.reshape(s, [inputs, 1])
          : s
    const folded = b.mul(kernel, perFilter)
    const y = edit.add(conv.op, [conv.inputs[0] as Ref, folded], conv.attrs, [conv, bn], conv.path)
    const shift = mistake === 'mean' ? b.sub(offset, mean) : b.sub(offset, b.mul(mean, s))
    edit.replaceUses(refOf(bn), b.add(edit.value(y, b), shift))
    edit.remove(bn.id)
  })

describe('EfficientNet-B0, batch 1, 224 x 224', () => {
  test('every pass of the inference pipelines is judged', () => {
    const text =
      'simplify,fold-constants,cse,fold-batch-norm,decompose{ops=["batchNormInference","silu","mean"]},simplify,cse,dce,hoist-prepare'
    const records = checked([...parsePipeline(text).passes, fuseTfjs])
    expect(records.map(({ name, plan, checked: { how } }) => [name, plan, how])).toEqual([
      ['simplify', 'run', 'regions'],
      ['fold-constants', 'run', 'structure'],
      ['cse', 'run', 'structure'],
      ['fold-batch-norm', 'run', 'regions'],
      ['decompose', 'run', 'regions'],
      ['simplify', 'run', expect.stringMatching(/structure|regions/)],
      ['cse', 'run', 'structure'],
      ['dce', 'run', 'structure'],
      ['hoist-prepare', 'prepare', 'structure'],
      ['hoist-prepare', 'run', 'structure'],
      ['fuse-tfjs', 'prepare', 'structure'],
      ['fuse-tfjs', 'run', 'structure'],
    ])
    for (const { checked: found } of records) if (found.how === 'regions') expect(found.unjudged).toBe(0)
    // Two of the 49 norms are read only by the next folded convolution, so they are judged together with it.
    expect(records[3]?.report).toEqual({ folded: 49 })
    expect(records[3]?.checked).toMatchObject({ equal: 47, why: expect.stringMatching(/^47 changed parts agree/) })
  }, 300_000)

  test('mixed precision is judged', () => {
    const [record] = checked(parsePipeline('amp').passes)
    expect(record?.checked).toMatchObject({ how: 'regions', unjudged: 0 })
  }, 300_000)

  test.each([
    ['epsilon', null],
    ['mean', null],
    ['epsilon', 40],
  ] as const)(
    'batch norms folded without %s (all, or only number %s) are detected',
    (mistake, only) => {
      expect(() => checked([folding(mistake, only)])).toThrow(
        /pass 'wrong'.*for random operands of the changed part, y\[\d+\] was .* and is .*keep rounding/s,
      )
    },
    60_000,
  )
  test('a correct fold is accepted', () => {
    expect(checked([folding('none', 3)])[0]?.checked).toMatchObject({ how: 'regions', equal: 1, unjudged: 0 })
  })

  test.each(['bits', 'rounding', 'precision'] as const)(
    'one activation of many that becomes another (%s)',
    (preserves) => {
      const wrong = rewriting(preserves, 'silu', (edit, node, at) => {
        if (at === 20) edit.replaceUses(refOf(node), edit.add('relu', node.inputs, {}, node))
      })
      expect(() => checked([wrong])).toThrow(/pass 'wrong'.*at blocks.*\(silu\)/s)
    },
    60_000,
  )

  test('wrong values in the step `prepare`', () => {
    const prepared = runPipeline(parsePipeline('fold-batch-norm,hoist-prepare'), b0).program
    const wrong = rewriting('bits', 'rsqrt', (edit, node, at) => {
      if (at === 5) edit.replaceUses(refOf(node), edit.add('sqrt', node.inputs, {}, node))
    })
    expect(() => checked([wrong], prepared)).toThrow(/pass 'wrong'/)
  }, 300_000)
})

describe('a part is extended before it is judged', () => {
  /** Too large to run as a whole. */
  const large = (middle: string, result: string) => `graph g { %x = input() {name="x"} : float32[1,128,128,64]
    %k = variable() {name="k"} : float32[1,1,64,64] %c = conv2d(%x, %k) : float32[1,128,128,64]
    ${middle} return y = ${result} }`
  const dropping = (op: OpName): Pass =>
    rulePass('drops', 'a law that needs to know its operand', [
      rule(`${op}(x) -> x`, op, (n) => n.inputs[0] as never, 'bits'), // arity 1
    ])
  const of = (text: string, pass: Pass) => {
    const program = programOf(parse(text))
    const after = runPipeline(pipeline([pass]), program).program
    expect(graphOf(after)).not.toBe(graphOf(program))
    return checkMeaning(program, after, { preserves: pass.preserves })
  }
  const type = 'float32[1,128,128,64]'
  test('a second relu may be removed, also with other work between the two', () => {
    for (const between of ['', `%m = relu6(%r) : ${type}`]) {
      const from = between === '' ? '%r' : '%m'
      const found = of(large(`%r = relu(%c) : ${type} ${between} %y = abs(${from}) : ${type}`, '%y'), dropping('abs'))
      expect(found.difference).toBeNull()
      expect(found.checked.get('run')).toMatchObject({ how: 'regions', equal: 1 })
    }
  }, 300_000)
  test('a batch norm folded over the wrong axis of a kernel is detected', () => {
    const variables = ['s', 'o', 'm', 'v'].map((v) => `%${v} = variable() {name="${v}"} : float32[64]`).join(' ')
    const text = large(`${variables} %y = batchNormInference(%c, %s, %o, %m, %v) {epsilon=0.001} : ${type}`, '%y')
    expect(of(text, folding('none')).difference).toBeNull()
    expect(of(text, folding('axis')).difference).toMatch(/at batchNormInference/)
  }, 300_000)
  test('also if only one side has an operand', () => {
    const graphs = [
      '%a = abs(%r) : float32[9] %y = sub(%a, %r) : float32[9]',
      '%y = constant() {value=0} : float32[9]',
    ].map((body) =>
      parse(
        `graph g { %x = input() {name="x"} : float32[9] %r = relu(%x) : float32[9] ${body} return y = %y, r = %r }`,
      ),
    )
    expect(checkRegions(...(graphs as [Graph, Graph]), regionOptions)).toMatchObject({
      equal: 2,
      unjudged: [],
      difference: null,
    })
  })
  test('a part that was made again as it was needs no run, however large it is', () => {
    const again = () =>
      parse(`graph g { %x = input() {name="x"} : float32[1024,1024] %w = variable() {name="w"} : float32[1024,1024]
        %y = matmul(%x, %w) : float32[1024,1024] @ dense return y = %y }`)
    expect(checkRegions(again(), again(), regionOptions)).toMatchObject({ equal: 1, unjudged: [], difference: null })
  })
  test('a first relu may not be removed', () => {
    const found = of(large(`%r = relu(%c) : ${type} %y = neg(%r) : ${type}`, '%y'), dropping('relu'))
    expect(found.difference).toMatch(/at relu/)
  }, 300_000)
})

describe('values that a pass merges with equal ones', () => {
  const type = 'float32[2,3]'
  const twice = (second: string) =>
    graphOf(
      runPipeline(
        parsePipeline('decompose{ops=["softmax"]}'),
        programOf(
          parse(`graph g { %x = input() {name="x"} : ${type} %r = relu(%x) : ${type} %q = relu6(%x) : ${type}
    %a = softmax(%r) {axis=1} : ${type} %b = softmax(${second}) {axis=1} : ${type} %e = exp(%b) : ${type}
    %y = sub(%a, %e) : ${type} return y = %y }`),
        ),
      ).program,
    )
  const options = { isExact: true, mode: 'declared', guess: false, positive: new Set<string>(), seed: 1 } as const
  const cx = { target: genericTarget, report: () => {} }

  test('both sides of a chain longer than the steps of extension', () => {
    const before = twice('%r')
    const after = cse.run(before, cx)
    expect(liveOrder(after).length).toBeLessThan(liveOrder(before).length - 3)
    expect(checkRegions(before, after, options)).toMatchObject({ difference: null, equal: 1, unjudged: [] })
  })

  test('a merge with another value is detected', () => {
    const before = twice('%q')
    const [first, second] = liveOrder(before).filter(({ op }) => op === 'div')
    if (first === undefined || second === undefined) throw new Error('softmax divides')
    const edit = new Edit(before, 'wrong')
    edit.replaceUses(refOf(second), refOf(first))
    expect(checkRegions(before, edit.commit(), options).difference).toMatch(/was .* and is/)
  })
})
