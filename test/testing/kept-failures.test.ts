/** Stored failures: each verification tests its own failures first, and no others. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { add, composite, exp, float32, graph, mul, neg, relu6, type Value } from '../../src/index.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { type Verification, verifyGraph, verifyKernel } from '../../src/testing/index.ts'
import { wrongBackend } from './wrong-backends.ts'

let failures = ''
beforeEach(() => {
  failures = mkdtempSync(join(tmpdir(), 'effuse-failures-'))
})
afterEach(() => rmSync(failures, { recursive: true }))

const names = ({ failures: found }: Verification): readonly string[] => found.map(({ name }) => name)
/** The correct backend, with the name under which failures of a wrong backend are stored. */
const right = (name: string): Backend => ({ ...referenceBackend(), name })

test('of a law: numbers that do not matter are 0', async () => {
  const law = 'reduceSum: f(2^k x) = 2^k f(x)'
  const wrong = wrongBackend('reduceSum', (b, y) => (y.dtype === 'float32' ? b.unary('floor', y) : y))
  const first = await verifyKernel(wrong, 'reduceSum', { runs: 40, failures })
  const found = first.failures.find(({ name }) => name === law)
  const numbers = Object.values(found?.counterexample.inputs ?? {}).flat()
  expect(numbers.filter((x) => x !== 0 && x !== 1).length).toBeLessThanOrEqual(1)
  expect(names(await verifyKernel(wrong, 'reduceSum', { runs: 1, seed: 9, failures }))).toContain(`${law}, kept`)
  expect(names(await verifyKernel(right(wrong.name), 'reduceSum', { runs: 1, failures }))).toEqual([])
})

test('of one composite, not of another', async () => {
  type Vector = Value<'float32', 1>
  const operands = [['n']]
  const wrong = wrongBackend('composite', (b, y) => b.add(y, 1))
  const isNegated = composite('negated', (x: Vector) => neg(x))
  const isDoubled = composite('doubled', (x: Vector) => mul(neg(x), 2))
  expect(names(await verifyKernel(wrong, isNegated, { operands, runs: 20, failures }))).toEqual(['composite negated'])
  expect(names(await verifyKernel(wrong, isDoubled, { operands, runs: 20, failures }))).toEqual(['composite doubled'])
  expect(readdirSync(failures).map((file) => file.replace(/-[0-9a-f]+\.json$/, ''))).toEqual([
    'kernel-composite-doubled-on-wrong-composite',
    'kernel-composite-negated-on-wrong-composite',
  ])
  const again = await verifyKernel(wrong, isNegated, { operands, runs: 1, failures })
  expect(names(again)[0]).toBe('composite negated, kept')
  expect(names(again).filter((name) => name.endsWith('kept'))).toHaveLength(1)
})

const model = graph('clamped', { x: float32(5) }, ({ x }) => ({ y: relu6(add(exp(x), x)) }))

test('of a pass of a graph', async () => {
  const wrong = rulePass('wrong', 'a wrong law', [rule('x + y -> x', 'add', (n) => n.inputs[0] ?? null, 'rounding')])
  const options = { passes: [wrong], failures }
  expect(names(await verifyGraph(model, referenceBackend(), options))).toEqual(['pass wrong'])
  expect(names(await verifyGraph(model, referenceBackend(), options))).toEqual(['pass wrong, kept', 'pass wrong'])
  const another = graph('another', { x: float32(5) }, ({ x }) => ({ y: exp(x) }))
  expect(names(await verifyGraph(another, referenceBackend(), options))).toEqual([])
  const fixed = rulePass('wrong', 'a law that never applies', [])
  expect(names(await verifyGraph(model, referenceBackend(), { passes: [fixed], failures }))).toEqual([])
})

/** The reference, whose results of whole programs are off by one. */
const shifted = (isWhole: (name: string) => boolean): Backend => {
  const inner = referenceBackend()
  return {
    ...inner,
    name: 'shifted',
    compile: async (program, store, cx) => {
      const runnable = await inner.compile(program, store as never, cx) // its own store
      if (!isWhole(program.name)) return runnable
      return {
        ...runnable,
        run: async (turn, steps, feeds, at) => {
          const results = await runnable.run(turn as never, steps, feeds as never, at)
          return new Map(
            [...results].map(([name, tensor]) => [
              name,
              { ...tensor, read: async () => (await tensor.read()).map((x: number) => x + 1) as never },
            ]),
          )
        },
      }
    },
  }
}

test('of a kernel of a graph, and of the whole graph: shrunk to one node', async () => {
  const whole = shifted((name) => name === 'clamped')
  const first = await verifyGraph(model, whole, { failures })
  expect(names(first)).toEqual(['the whole graph, result y'])
  expect(first.failures[0]?.counterexample.graph.match(/ = \w+\(/g)?.length).toBeLessThanOrEqual(2)
  expect(names(await verifyGraph(model, whole, { failures, seed: 5 }))[0]).toBe('the whole graph, kept')
  const all = await verifyGraph(
    model,
    shifted(() => true),
    { failures },
  )
  expect(names(all)).toContain('kernel relu6')
  expect(
    names(
      await verifyGraph(
        model,
        shifted(() => true),
        { failures },
      ),
    ),
  ).toContain('kernel relu6, kept')
  expect(names(await verifyGraph(model, right('shifted'), { failures }))).toEqual([])
})
