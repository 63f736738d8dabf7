/** In any pipeline, a pass that leaves a model-form op after the choice of mode is rejected, and the error names this pass. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Edit } from '../../src/ir/edit.ts'
import { nodeAt } from '../../src/ir/graph.ts'
import type { Graph } from '../../src/ir/types.ts'
import { definePass, type Pass } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { passFactories } from '../../src/passes/registry.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { anyGraph } from '../../src/testing/graphs.ts'

type Leaves = 'dropout' | 'batchNorm'

/** Inserts a model-form op before the first output, so that no pass removes it. */
const leaving = (op: Leaves): Pass =>
  definePass({
    name: 'leaves-model-form',
    summary: 'a model-form op before the first output',
    phase: 'simplify',
    preserves: 'mode',
    run: (graph) => {
      const edit = new Edit(graph, 'leaves-model-form')
      const [first, ...others] = graph.outputs
      if (first === undefined) return graph
      const node = nodeAt(graph, first.value.id)
      const b = edit.emitter(node)
      const y = edit.value(first.value, b)
      edit.setOutputs([{ name: first.name, value: op === 'dropout' ? dropped(edit, graph, y) : normed(y) }, ...others])
      return edit.commit()
    },
  })
type Made = ReturnType<Edit['value']>
const dropped = (edit: Edit, graph: Graph, y: Made): Made =>
  edit.add('dropout', [y], { rate: 0.5, per: 'element', stream: 'mine' }, nodeAt(graph, y.id))
/** With one channel every value fits. */
const normed = (y: Made): Made => {
  const b = y.builder
  const flat = b.reshape(y, [y.shape.reduce((product, size) => product * size, 1), 1])
  const [scale, offset, mean, variance] = ['scale', 'offset', 'mean', 'variance'].map((name) =>
    b.emit1('variable', [], { name: `mine/${name}`, trainable: false, init: { kind: 'ones' } }, [
      { dtype: 'float32', shape: [1] },
    ]),
  ) as [Made, Made, Made, Made] // one for each name
  const [result] = b.emit('batchNorm', [flat, scale, offset, mean, variance], { epsilon: 0.001, momentum: 0.5 })
  return b.reshape(result as Made, y.shape) // one result
}

/** A pass that changes nothing, with any name. */
const idle = (name: string): Pass =>
  definePass({ name, summary: 'does nothing', phase: 'simplify', preserves: 'bits', run: (graph) => graph })
const mode = fc.constantFrom('to-inference', 'to-training')
const others = ['simplify', 'fold-constants', 'cse', 'dce', 'fold-batch-norm', 'fuse', 'idle']
const passOf = (name: string): Pass => passFactories.find((f) => f.name === name)?.make({}) ?? idle(name)
const isFloatOut = (graph: Graph): boolean => {
  const [first] = graph.outputs
  return first !== undefined && nodeAt(graph, first.value.id).types[first.value.port]?.dtype === 'float32'
}

describe('a remaining model-form op', () => {
  const drawn = fc.record({
    graph: anyGraph({ effects: false }).filter(({ graph }) => isFloatOut(graph)),
    mode,
    before: fc.array(fc.constantFrom('simplify', 'cse', 'dce', 'idle'), { maxLength: 3 }),
    between: fc.array(fc.constantFrom(...others), { maxLength: 4 }),
    after: fc.array(fc.constantFrom(...others), { maxLength: 4 }),
    op: fc.constantFrom<Leaves>('dropout', 'batchNorm'),
    verified: fc.boolean(),
    isJudged: fc.boolean(),
  })
  test('is rejected at any place after the choice of mode, and the error names the pass', () => {
    fc.assert(
      fc.property(drawn, ({ graph: { graph }, mode: chosen, before, between, after, op, verified, isJudged }) => {
        const passes = [...[...before, chosen, ...between].map(passOf), leaving(op), ...after.map(passOf)]
        expect(() =>
          runPipeline(pipeline(passes), programOf(graph), {
            verify: verified,
            judge: isJudged ? meaningJudge : undefined,
          }),
        ).toThrow(
          expect.objectContaining({
            code: 'EF303',
            message: expect.stringMatching(
              new RegExp(
                `^pass 'leaves-model-form': it left .*${op} is a model-form op, which this stage does not allow`,
                's',
              ),
            ),
            diagnostics: [expect.objectContaining({ code: 'EF109' })],
          }),
        )
      }),
      { numRuns: 150 },
    )
  })
  test('is accepted at any earlier place, and is absent at the end', () => {
    fc.assert(
      fc.property(drawn, ({ graph: { graph }, mode: chosen, before, after, op, verified }) => {
        const passes = [...before.map(passOf), leaving(op), passOf(chosen), ...after.map(passOf)]
        const { program } = runPipeline(pipeline(passes), programOf(graph), { verify: verified })
        const ops = new Set(graphOf(program).nodes.map((node) => node?.op))
        expect([ops.has('dropout'), ops.has('batchNorm')]).toEqual([false, false])
      }),
      { numRuns: 60 },
    )
  })
})
