/** The faults that `verify: true` detects, and its report of what it did not check. */
import { describe, expect, test } from 'vitest'
import { fuseTfjs } from '../../src/backends/tfjs/fuse-tfjs.ts'
import { compile } from '../../src/compile.ts'
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import { relu6 } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import { parse } from '../../src/ir/parse.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import { float32 } from '../../src/ir/value.ts'
import { decomposeOps } from '../../src/passes/decompose.ts'
import { definePass, type Pass, type Preserves } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const check = (passes: readonly Pass[], text: string) =>
  runPipeline(pipeline(passes), programOf(parse(text)), { verify: true, judge: meaningJudge }).records
const becomes = (
  from: OpName,
  to: 'relu' | 'abs' | 'relu6' | 'neg',
  preserves: 'bits' | 'rounding' | 'precision',
): Pass =>
  rulePass('wrong', 'a wrong law', [rule(`${from} -> ${to}`, from, (n, m) => m.b.emit1(to, n.inputs, {}), preserves)])
const updating = (change: (edit: Edit) => void, preserves: Preserves): Pass =>
  definePass({
    name: 'wrong',
    summary: 'touches updates',
    phase: 'simplify',
    preserves,
    run: (g) => {
      const edit = new Edit(g, 'wrong')
      change(edit)
      return edit.commit()
    },
  })
const wrong = (message: RegExp) => expect.objectContaining({ code: 'EF303', message: expect.stringMatching(message) })
const one = (op: string, source = 'input') =>
  `graph g { %x = ${source}() {name="x"} : float32[40] %y = ${op}(%x) : float32[40] return y = %y }`

describe('detected faults', () => {
  test.each([
    ['relu6', 'relu', 'input'],
    ['relu6', 'relu', 'variable'],
    ['relu', 'relu6', 'variable'],
    ['abs', 'relu', 'input'],
    ['abs', 'relu', 'variable'],
    ['relu', 'abs', 'variable'],
    ['sqrt', 'relu', 'input'],
  ] as const)('%s becomes %s of an %s', (from, to, source) => {
    for (const preserves of ['bits', 'rounding', 'precision'] as const)
      expect(() => check([becomes(from, to, preserves)], one(from, source))).toThrow(wrong(/y\[\d+\] was .* and is/))
  })

  test.each([1, 2, 3])('also with %d elements, for which one random draw is not enough', (size) => {
    const few = (op: string, source: string) => one(op, source).replaceAll('40', String(size))
    for (const source of ['input', 'variable'])
      for (const [from, to] of [
        ['relu6', 'relu'],
        ['abs', 'relu'],
        ['relu', 'relu6'],
      ] as const)
        expect(() => check([becomes(from, to, 'bits')], few(from, source))).toThrow(wrong(/y\[\d\] was .* and is/))
  })

  test('also before a result that is never a number', () => {
    const text = `graph g { %x = input() {name="x"} : float32[40] %r = relu6(%x) : float32[40]
      %c = constant() {value=-1} : float32[40] %d = sub(%c, %r) : float32[40] %y = log(%d) : float32[40] return y = %y }`
    for (const preserves of ['bits', 'rounding'] as const)
      expect(() => check([becomes('relu6', 'relu', preserves)], text)).toThrow(
        wrong(/for random operands of the changed part/),
      )
  })

  const stateful = `graph g { %x = input() {name="x"} : float32[2] %w = variable() {name="w"} : float32[2]
    %s = add(%x, %w) : float32[2] update %w = %s return y = %s }`
  const stateless = stateful.replace('update %w = %s', '')
  const wOf = (edit: Edit) => liveOrder(edit.base).find((n) => n.op === 'variable')?.id as never
  const sOf = (edit: Edit) => edit.base.outputs[0]?.value as never
  test.each(['bits', 'rounding', 'precision'] as const)('an update added, dropped or changed (%s)', (preserves) => {
    const adds = updating((e) => e.setUpdates([{ variable: wOf(e), value: sOf(e) }]), preserves)
    const drops = updating((e) => e.setUpdates([]), preserves)
    const alters = updating(
      (e) => e.setUpdates([{ variable: wOf(e), value: { id: e.base.inputs[0] as never, port: 0 } }]),
      preserves,
    )
    expect(() => check([adds], stateless)).toThrow(wrong(/there is an update of "w" that was not there before/))
    expect(() => check([drops], stateful)).toThrow(wrong(/the update of "w" is gone/))
    expect(() => check([alters], stateful)).toThrow(wrong(/w\[0\] was .* and is/))
  })

  test('an output added, dropped or of another type', () => {
    const outputs = (change: (edit: Edit) => void) => updating(change, 'rounding')
    const value = (e: Edit) => e.base.outputs[0]?.value as never
    expect(() => check([outputs((e) => e.setOutputs([]))], stateful)).toThrow(wrong(/the output "y" is gone/))
    expect(() =>
      check([outputs((e) => e.setOutputs([...e.base.outputs, { name: 'z', value: value(e) }]))], stateful),
    ).toThrow(wrong(/there is an output "z" that was not there before/))
    const half = outputs((e) => {
      const node = liveOrder(e.base)[0] as never
      e.setOutputs([{ name: 'y', value: e.add('cast', [value(e)], { to: 'float16', relaxed: false }, node) }])
    })
    expect(() => check([half], stateful)).toThrow(wrong(/the output "y" was float32\[2\] and is float16\[2\]/))
  })

  test('variances stay positive, so that a batch norm gives no NaN, also after its decomposition', () => {
    const norm = `graph g { %x = input() {name="x"} : float32[64,16] %s = variable() {name="s"} : float32[16] %o = variable() {name="o"} : float32[16]
      %m = variable() {name="m"} : float32[16] %v = variable() {name="v"} : float32[16]
      %y = batchNormInference(%x, %s, %o, %m, %v) {epsilon=0.001} : float32[64,16] %r = relu6(%y) : float32[64,16] return y = %r }`
    expect(() => check([decomposeOps(['batchNormInference']), becomes('relu6', 'relu', 'bits')], norm)).toThrow(
      /pass 'wrong'/,
    )
  })

  test("compile() with verify: true detects it in a user's pass", async () => {
    const model = graph('net', { x: float32('batch', 40) }, ({ x }) => ({ y: relu6(x) }))
    await expect(
      compile(model, {
        backend: 'reference',
        verify: true,
        passes: (p) => p.before('fuse', becomes('relu6', 'relu', 'bits')),
      }),
    ).rejects.toEqual(wrong(/pass 'wrong'/))
  })
})

describe('the report of each pass', () => {
  const conv = `graph g { %x = input() {name="x"} : float32[1,4,4,2] %k = variable() {name="k"} : float32[1,1,2,3] %b = variable() {name="b"} : float32[3]
    %c = conv2d(%x, %k) : float32[1,4,4,3] %v = broadcast(%b) {axes=[3], shape=[1,4,4,3]} : float32[1,4,4,3]
    %s = add(%c, %v) : float32[1,4,4,3] %n = neg(%s) : float32[1,4,4,3] %y = neg(%n) : float32[1,4,4,3] %r = relu(%y) : float32[1,4,4,3] return y = %r }`
  test('whole, structure, or not, and why', () => {
    const passes = [...parsePipeline('to-inference,simplify,simplify,dce').passes, fuseTfjs]
    expect(check(passes, conv).map(({ name, checked }) => [name, checked.how, checked.why])).toEqual([
      ['to-inference', 'not', 'the pass changes the meaning on purpose'],
      ['simplify', 'whole', 'in float64 mode, within 0.000001 of the largest number'],
      ['simplify', 'structure', 'unchanged'],
      ['dce', 'structure', 'the same program once regions are inlined and equal nodes merged'],
      ['fuse-tfjs', 'structure', 'the same program once regions are inlined and equal nodes merged'],
    ])
  })
  test('verification is off', () => {
    const [record] = runPipeline(parsePipeline('cse'), programOf(parse(conv))).records
    expect(record?.checked).toEqual({ how: 'not', why: 'not requested: compile with verify: true' })
  })
})

describe('the report of a wrong pass', () => {
  const wrongPass = becomes('relu6', 'relu', 'bits')
  const messageOf = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return 'nothing was thrown'
  }
  const declared = `graph g { %x = input() {name="x"} : float32[5,7] %w = variable() {name="w"} : float32[5,7]
    %a = add(%x, %w) : float32[5,7] %r = relu6(%a) @ net/act : float32[5,7] %e = exp(%w) : float32[5,7]
    %m = mul(%r, %e) : float32[5,7] update %w = %m return y = %m, e = %e }`.replace('@ net/act ', '')
  test("the user's graph, shrunk, with numbers and a command", () => {
    const passes = [...parsePipeline('to-inference,simplify').passes, wrongPass]
    const message = messageOf(() => check(passes, declared))
    expect(message).toMatch(/^pass 'wrong': it changed what the graph computes: .*; the pass promises to keep the bits/)
    expect(message).toMatch(
      /the smallest graph found that shows it, y0?\[0\] was 6 and is [\d.]+, for \w+ = \[[\d.]+\]:\n {4}graph g \{\n {6}%0 = input\(\) \{name="\w+"\} : float32\[1(,1)?\]\n {6}%1 = relu6\(%0\) : float32\[1(,1)?\]\n {6}return y0? = %1\n {4}\}/,
    )
    expect(message).toMatch(
      /\n {2}to replay: runPipeline\(pipeline\(\[\.\.\.parsePipeline\('to-inference,simplify'\)\.passes, pass\]\), parseProgram\(text\), \{ judge: meaningJudge \}\); pass is your 'wrong'; text is the graph above$/,
    )
  })
})
