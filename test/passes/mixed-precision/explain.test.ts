/** Explanations are correct: the proposed change has the stated effect, and the cost is that of the other type. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { liveOrder } from '../../../src/ir/graph.ts'
import { parse } from '../../../src/ir/parse.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import type { Graph, NodeId } from '../../../src/ir/types.ts'
import { amp } from '../../../src/passes/mixed-precision/amp.ts'
import { explainPrecision, type ListEdit, type PrecisionNote } from '../../../src/passes/mixed-precision/explain.ts'
import { ampSettings, type AmpOptions } from '../../../src/passes/mixed-precision/options.ts'
import { decisionOf, type AmpDecision } from '../../../src/passes/mixed-precision/report.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { anyHalfGraph } from './half-graphs.ts'

const decide = (graph: Graph, options: AmpOptions): AmpDecision => {
  const { program } = runPipeline(pipeline([amp(options)]), programOf(graph), { target: genericTarget })
  return decisionOf(graphOf(program)) as AmpDecision
}
const edited = (options: AmpOptions, edits: readonly ListEdit[]): AmpOptions => {
  const { allow, deny, keep } = ampSettings(options)
  const list = (option: ListEdit['option'], entries: readonly string[]): readonly string[] => {
    const own = edits.filter((edit) => edit.option === option)
    const isRemoved = (entry: string): boolean => own.some((edit) => edit.what === 'remove' && edit.entry === entry)
    const added = own.flatMap(({ what, entry }) => (what === 'add' ? [entry] : []))
    return [...entries.filter((entry) => !isRemoved(entry)), ...added]
  }
  return { ...options, allow: list('allow', allow), deny: list('deny', deny), keep: list('keep', keep) }
}
const notesOf = (decision: AmpDecision, id: NodeId): readonly PrecisionNote[] =>
  explainPrecision(decision, (node) => node.id === id)

const anyOptions = fc
  .record({
    strategy: fc.constantFrom('minCut' as const, 'tensorflow' as const),
    said: fc.dictionary(
      fc.constantFrom('relu', 'tanh', 'softmax', 'add', 'mul', 'scaled'),
      fc.constantFrom('allow', 'deny'),
    ),
    taken: fc.subarray(['allow !conv2d', 'allow !matmul', 'deny !exp']),
  })
  .map(({ strategy, said, taken }): AmpOptions => {
    const list = (option: string): string[] => [
      ...Object.keys(said).filter((op) => said[op] === option),
      ...taken.flatMap((entry) => (entry.startsWith(`${option} `) ? [entry.slice(option.length + 1)] : [])),
    ]
    return { strategy, allow: list('allow'), deny: list('deny') }
  })

test('the proposed change is valid and has an effect', () => {
  fc.assert(
    fc.property(anyHalfGraph(10), anyOptions, fc.nat(), ({ graph }, options, at) => {
      const composites = liveOrder(graph).some((n) => n.op === 'composite')
      fc.pre(composites || ![...(options.allow ?? []), ...(options.deny ?? [])].includes('scaled'))
      const decision = decide(graph, options)
      const nodes = liveOrder(graph)
      const { id } = nodes[at % nodes.length] as (typeof nodes)[number] // it is never empty
      notesOf(decision, id).forEach((note, i) => {
        if (note.edits.length === 0) return expect(note.change).toMatch(/^nothing/)
        const again = notesOf(decide(graph, edited(options, note.edits)), id)[i]
        if (note.edits.some(({ what }) => what === 'add')) expect(again?.dtype).not.toBe(note.dtype)
        else expect(again?.class).not.toBe('deny')
      })
    }),
    { numRuns: 300 },
  )
})

describe('in words', () => {
  const chain = parse(`graph g {
    %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]
    %y = conv2d(%x, %k) : float32[1,4,4,2] @ stem
    %t = tanh(%y) : float32[1,4,4,2] @ act  %m = mean(%t) {axes=[1, 2], keepDims=true} : float32[1,1,1,2] @ squeeze
    %z = conv2d(%m, %k) : float32[1,1,1,2]  %p = pow(%z, %z) : float32[1,1,1,2]
    return z = %z, p = %p
  }`)
  const note = (op: string, options: AmpOptions): PrecisionNote => {
    const [found] = explainPrecision(decide(chain, options), (n) => n.op === op)
    if (found === undefined) throw new Error(`no note of ${op}`)
    return found
  }
  test.each<[string, AmpOptions, { readonly reason: string; readonly change: string }]>([
    ['tanh', { deny: ['tanh'] }, { reason: '"deny" names tanh', change: "leave 'tanh' out of deny" }],
    // Found once: an op that is denied by the user and by itself stays denied if the user removes the denial.
    [
      'pow',
      { deny: ['pow'] },
      { reason: '"deny" names pow', change: "leave 'pow' out of deny, and allow: ['pow'] makes every pow half" },
    ],
    [
      'tanh',
      { allow: ['tanh'] },
      {
        reason: '"allow" names tanh',
        change:
          "keep: ['act'] makes its layer float32; this node alone takes 1 allowed op in float32 more and 1 cast more",
      },
    ],
    [
      'conv2d',
      { allow: ['!conv2d'] },
      {
        reason: 'half is not worth its casts here: half would take 1 cast more',
        change:
          "leave '!conv2d' out of allow, and allow: ['conv2d'] makes every conv2d half; this node alone takes 1 cast more",
      },
    ],
    [
      'mean',
      { strategy: 'tensorflow' },
      {
        reason: "TensorFlow's painting does not reach it: half would take as many casts of 60 bytes more",
        change: "allow: ['mean'] makes every mean half; this node alone takes as many casts of 60 bytes more",
      },
    ],
  ])('%s with %o', (op, options, want) => {
    expect(note(op, options)).toMatchObject(want)
  })
  test('a limited number of casts is listed, and the others are counted', () => {
    const long = parse(`graph g {
      %x = input() {name="x"} : float32[2,2]
      ${Array.from({ length: 6 }, (_, i) => `%a${i} = matmul(%${i === 0 ? 'x' : `e${i - 1}`}, %x) : float32[2,2] %r${i} = matmul(%a${i}, %x) : float32[2,2] %e${i} = exp(%r${i}) : float32[2,2]`).join('\n')}
      return z = %e5
    }`)
    const [first] = explainPrecision(decide(long, {}), (n) => n.op === 'matmul')
    expect([first?.casts.length, first?.moreCasts]).toEqual([4, 2])
  })
})
