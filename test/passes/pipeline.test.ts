/** The runner, the text form of pipelines, and the report of a failing pass. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { Builder } from '../../src/ir/build.ts'
import { Edit } from '../../src/ir/edit.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { definePass } from '../../src/passes/pass.ts'
import { parseProgram } from '../../src/passes/program-text.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { anyGraph } from '../../src/testing/graphs.ts'
import { passNames } from '../../src/passes/pipelines.ts'
import { parsePipeline, passFactories } from '../../src/passes/registry.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline, type Reproducer } from '../../src/passes/runner.ts'

const graph = parse(
  'graph g { %x = input() {name="x"} : float32[2] %y = neg(%x) : float32[2] %z = neg(%y) : float32[2] %d = neg(%z) : float32[2] return %z }',
)
const failing = definePass({
  name: 'failing',
  summary: 'throws',
  phase: 'simplify',
  preserves: 'bits',
  run: () => {
    throw new TypeError('oh')
  },
})
const breaking = definePass({
  name: 'breaking',
  summary: 'leaves a bad graph',
  phase: 'simplify',
  preserves: 'bits',
  run: (g) => {
    const e = new Edit(g, 'breaking')
    e.remove(g.nodes[1]?.id as never)
    return e.commit()
  },
})

describe('text form', () => {
  test('parses and prints back', () => {
    expect(parsePipeline('simplify, decompose{ops=["silu","softmax"]} ,cse').toString()).toBe(
      'simplify,decompose{ops=["silu","softmax"]},cse',
    )
    const sized = 'decompose{ops=["ema"], above=4096}'
    expect(parsePipeline(sized).toString()).toBe(sized)
    expect(parsePipeline(passFactories.map((f) => f.name).join(',')).passes.length).toBe(passFactories.length)
  })
  test('decompose has an option for a minimum size of results', () => {
    const b = new Builder('sizes')
    const y = b.silu(b.input('small', { dtype: 'float32', shape: [4] }))
    const z = b.silu(b.input('large', { dtype: 'float32', shape: [5] }))
    const { program } = runPipeline(parsePipeline('decompose{ops=["silu"], above=4}'), programOf(b.finish({ y, z })))
    expect(graphOf(program).nodes.flatMap((n) => (n?.op === 'silu' ? [n.types[0]?.shape] : []))).toEqual([[4]])
  })
  test.each([
    ['simplfy', 'EF301', /there is no pass "simplfy".*/],
    ['cse{deep=true}', 'EF302', /pass cse has no option "deep"; it has none/],
    ['decompose{ops=3}', 'EF302', /must be a list of names/],
    ['decompose{above="much"}', 'EF302', /option "above" must be a number/],
    ['decompose{ops=["silu"]', 'EF302', /this "{" is not closed/],
    ['cse,,dce', 'EF302', /expected the name of a pass at column 5/],
    ['cse dce', 'EF302', /expected "," between passes/],
    ['decompose{ops=[}', 'EF302', /not a value/],
  ])('%s', (text, code, message) => {
    expect(() => parsePipeline(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })
  test('editing by name', () => {
    const base = parsePipeline('simplify,cse,dce')
    expect(base.before('cse', failing).toString()).toBe('simplify,failing,cse,dce')
    expect(base.after('dce', failing).toString()).toBe('simplify,cse,dce,failing')
    expect(base.replace('cse', failing).toString()).toBe('simplify,failing,dce')
    expect(base.without('cse').toString()).toBe('simplify,dce')
    expect(base.toString()).toBe('simplify,cse,dce')
    expect(() => base.before('fold-constants', failing)).toThrow(
      expect.objectContaining({ code: 'EF301', message: expect.stringContaining('simplify, cse, dce') }),
    )
  })
})

describe('runner', () => {
  test('records the graphs before and after, changes by identity, and counts', () => {
    const { records } = runPipeline(parsePipeline('dce,simplify,cse'), programOf(graph), { verify: true })
    expect(records.map((r) => [r.name, r.changed, r.report])).toEqual([
      ['dce', true, { removed: 1 }],
      ['simplify', true, { 'neg(neg(x)) -> x': 1 }],
      ['cse', false, {}],
    ])
    expect(records[0]?.before).toBe(graph)
    expect(records[1]?.before).toBe(records[0]?.after)
    expect(records[2]?.after).toBe(records[2]?.before)
    const [first] = records
    expect(first?.before.nodes.filter((n, i) => n !== first.after.nodes[i]).length).toBe(1)
  })
  test.each([
    [failing, /pass 'failing': TypeError: oh/],
    [breaking, /pass 'breaking': it left a graph that is not well-formed/],
  ])('a failure names the pass and gives a command that replays it', (bad, message) => {
    const saved: Reproducer[] = []
    const run = () =>
      runPipeline(pipeline([...parsePipeline('dce').passes, bad, ...parsePipeline('cse').passes]), programOf(graph), {
        verify: true,
        saveReproducer: (r) => {
          saved.push(r)
          return '/tmp/r.ir'
        },
        replayable: new Set(['failing', 'breaking', 'cse']),
      })
    expect(run).toThrow(expect.objectContaining({ code: 'EF303', message: expect.stringMatching(message) }))
    expect(run).toThrow(`to replay: effuse opt /tmp/r.ir --passes '${bad.name},cse'`)
    const again = parseProgram(saved[0]?.program ?? '')
    expect(print(graphOf(again))).toBe(print(graphOf(runPipeline(parsePipeline('dce'), programOf(graph)).program)))
  })
  test('without a file, the code that replays a failure has all passes up to the failing one', () => {
    const passes = [...parsePipeline('dce,cse').passes, failing, ...parsePipeline('simplify').passes]
    expect(() => runPipeline(pipeline(passes), programOf(graph))).toThrow(
      "to replay: runPipeline(pipeline([...parsePipeline('dce,cse').passes, pass]), program)",
    )
  })
  test('debug lines go to the log, one per pass and plan', () => {
    const lines: string[] = []
    runPipeline(parsePipeline('dce,cse'), programOf(graph), {
      debug: { level: 2, printAfter: ['cse'], log: (l) => lines.push(l) },
    })
    expect(lines[0]).toMatch(/^dce +run +4 -> 3 nodes +\d+\.\d ms$/)
    expect(lines[1]).toBe('    removed: 1')
    expect(lines[2]).toMatch(/^cse .*\(unchanged\)$/)
    expect(lines[3]).toContain('// after cse, step run\ngraph g {')
  })

  test('every graph is saved if a folder is given', () => {
    const saved: [string, string][] = []
    runPipeline(parsePipeline('dce,cse'), programOf(graph), {
      debug: { level: 0, printAfter: [], log: () => {}, saveGraph: (name, text) => saved.push([name, text]) },
    })
    expect(saved.map(([name]) => name)).toEqual(['00-dce.run.ir', '01-cse.run.ir'])
    expect(print(parse(saved[1]?.[1] ?? ''))).toBe(saved[1]?.[1])
  })
})

describe('checking the meaning', () => {
  const wrong = (preserves: 'bits' | 'rounding') =>
    rulePass('wrong', 'a wrong law', [
      rule('neg(x) -> abs(x)', 'neg', (n, m) => m.b.emit1('abs', n.inputs, {}), preserves),
    ])
  test.each(['bits', 'rounding'] as const)(
    'a pass that violates what it preserves (%s) is reported, with the first different number',
    (preserves) => {
      expect(() => runPipeline(pipeline([wrong(preserves)]), programOf(graph), { judge: meaningJudge })).toThrow(
        expect.objectContaining({
          code: 'EF303',
          message: expect.stringMatching(
            /^pass 'wrong': it changed what the graph computes: 0\[0\] was .* and is .*to replay: runPipeline\(pipeline\(\[pass\]\), parseProgram\(text\), \{ judge: meaningJudge \}\)/s,
          ),
          hint: expect.stringContaining(
            preserves === 'bits'
              ? "'mode' for another meaning, 'rounding' for"
              : "preserves: 'mode' for another meaning; see",
          ),
        }),
      )
    },
  )
  test('the inference passes preserve what they declare on every random graph', () => {
    fc.assert(
      fc.property(anyGraph({ effects: false }), ({ graph: any }) => {
        runPipeline(
          parsePipeline(
            'to-inference,simplify,fold-constants,cse,decompose,simplify,fold-constants,cse,dce,hoist-prepare',
          ),
          programOf(any),
          { verify: true, judge: meaningJudge },
        )
      }),
      { numRuns: 60 },
    )
  })
  test('a whole small network compiles under verify', async () => {
    const model = efficientNet('b0', {
      classes: 3,
      resolution: 16,
      blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }],
    })
    using net = await compile(model, { backend: 'tfjs-wasm', verify: true })
    expect(net.passes.filter((p) => p.changed).map((p) => p.name)).toContain('fuse-tfjs')
  })
})

test('passNames are the names of the factories', () => {
  expect(passFactories.map(({ name }) => name)).toEqual(passNames)
})
