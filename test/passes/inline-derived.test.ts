/** Inlining derived variables restores the graph that a pass split, with its nodes and their ids. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { liveOrder } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { verify } from '../../src/ir/verify.ts'
import { inlineDerived } from '../../src/passes/inline-derived.ts'
import { findGraph, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { anyGraph, feedsFor } from '../../src/testing/graphs.ts'

test('what hoist-prepare moves comes back with the same ids', () => {
  let moved = 0
  fc.assert(
    fc.property(anyGraph({ effects: false }), fc.nat(1000), ({ graph }, seed) => {
      const { program } = runPipeline(parsePipeline('dce,hoist-prepare'), programOf(graph))
      const [prepare, run] = [findGraph(program, 'prepare'), findGraph(program, 'run')]
      if (prepare === undefined || run === undefined) return
      moved++
      const again = inlineDerived(prepare, run, Math.max(prepare.nodes.length, run.nodes.length))
      expect(verify(again)).toEqual([])
      const ids = liveOrder(graph).map(({ id }) => id)
      expect(
        liveOrder(again)
          .map(({ id }) => id)
          .filter((id) => !ids.includes(id)),
      ).toEqual([])
      const feeds = feedsFor(graph, seed)
      expect(interpret(again, feeds).outputs).toEqual(interpret(graph, feeds).outputs)
    }),
    { numRuns: 200 },
  )
  expect(moved).toBeGreaterThan(20)
})

test('nodes of both graphs with the same id stay apart', () => {
  // Of the operands of %c only %b gets a new id, since %a and %b have the ids of nodes of the other graph.
  const prepare = parse(`graph prepare { %v = variable() {name="v"} : float32[2] %w = variable() {name="w"} : float32[2]
    %d = variable() {name=".d"} : float32[2] %a = neg(%v) : float32[2] %b = add(%w, %a) : float32[2]
    %e = mul(%b, %a) : float32[2] %c = sub(%e, %b) : float32[2] update %d = %c return c = %c }`)
  const run = parse(`graph run { %w = variable() {name="w"} : float32[2] %x = input() {name="x"} : float32[2]
    %d = variable() {name=".d"} : float32[2] %e = add(%x, %d) : float32[2] %y = mul(%e, %w) : float32[2] return y = %y }`)
  const again = inlineDerived(prepare, run, 100)
  expect(verify(again)).toEqual([])
  const variables = new Map([
    ['v', Float64Array.of(2, 3)],
    ['w', Float64Array.of(5, 7)],
  ])
  const { outputs } = interpret(again, { inputs: { x: [1, 1] }, variables })
  // (x + (w - v) * -v - (w - v)) * w
  expect([...(outputs['y']?.data ?? [])]).toEqual([(1 + 3 * -2 - 3) * 5, (1 + 4 * -3 - 4) * 7])
})
