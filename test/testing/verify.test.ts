/** verifyKernel, verifyPass and verifyGraph accept correct programs, find faults, and shrink them to a few numbers. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { genericTarget } from '../../src/ir/target.ts'
import { decomposeOps } from '../../src/passes/decompose.ts'
import { hoistPrepare } from '../../src/passes/hoist-prepare.ts'
import { passFactories } from '../../src/passes/registry.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { runPasses } from '../../src/passes/run-pass.ts'
import { judgeTrial } from '../../src/testing/verify/judge.ts'
import { networkOfLayers, verifyGraph, verifyKernel, verifyPass } from '../../src/testing/index.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { globalAveragePool2d, relu6 } from '../../src/ir/functions.ts'
import { float32 } from '../../src/ir/value.ts'
import { type Wrong, wrongBackend } from './wrong-backends.ts'

const floored: Wrong = (b, y) => b.unary('floor', y)
/** Adds to each example its position in the batch. */
const placed: Wrong = (b, y) => b.add(y, b.emit1('iota', [], { shape: y.shape, axis: 0, dtype: 'float32' }))
const padded: Wrong = (b, y, node) => ('padding' in node.attrs && node.attrs.padding !== 'valid' ? b.add(y, 1) : y)
/** NaN where `padded` adds 1. */
const paddedWithNaN: Wrong = (b, y, node) =>
  'padding' in node.attrs && node.attrs.padding !== 'valid' ? b.unary('sqrt', b.sub(-1, b.unary('abs', y))) : y

const noContext = { target: genericTarget, report: () => {} }

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-failures-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('ends if no case is left without the dtypes', async () => {
  const without = ['float32', 'bfloat16', 'int32', 'bool'] as const
  expect(await verifyKernel(referenceBackend(), 'and', { runs: 5, without })).toMatchObject({ cases: 0, failures: [] })
  expect((await verifyKernel(referenceBackend(), 'add', { runs: 5, without })).cases).toBeGreaterThan(0)
})

describe('verifyKernel', () => {
  test('accepts correct kernels, and reports how close they are to their tolerance', async () => {
    const { failures, cases, worst, seed } = await verifyKernel(
      await createTfjsBackend({ backend: 'wasm' }),
      'matmul',
      {
        runs: 20,
        seed: 5,
      },
    )
    expect([failures, seed]).toEqual([[], 5])
    expect(cases).toBeGreaterThan(80)
    expect(worst?.error).toBeGreaterThan(0)
    expect(worst?.error).toBeLessThanOrEqual(worst?.tolerance ?? 0)
  })

  test('tolerates the error of a gradient with cancellation', async () => {
    const cancelling = parse(`graph g {
  %0 = input() {name="x0"} : float32[1,2]
  %1 = input() {name="x1"} : float32[1,2]
  %2 = input() {name="x2"} : float32[1]
  %3 = softmaxCrossEntropyGradient(%0, %1, %2) : float32[1,2]
  return y0 = %3
}`)
    const inputs = {
      x0: [0.45818403363227844, -0.016476426273584366],
      x1: [0.8861072063446045, 0.5547710061073303],
      x2: [4.493847846984863],
    }
    const trial = {
      op: 'softmaxCrossEntropyGradient' as const,
      graphs: [cancelling],
      rounds: [{ inputs, variables: {} }],
      isFused: false,
    }
    const judged = await judgeTrial(await createTfjsBackend({ backend: 'wasm' }), trial)
    expect([judged.isAccepted, typeof judged.error]).toEqual([true, 'number'])
    // The tolerance grows with the largest operand, and not more.
    expect(judged.tolerance).toBeLessThan(2e-5)
  })

  test('tolerates the error of a sum in its activation, and not more', async () => {
    // The terms are 15 times the result: a float32 sum of them has an error like the last one here.
    const activated = parse(`graph g {
  %0 = input() {name="x"} : float32[1,3]
  %1 = input() {name="w"} : float32[3,1]
  %2 = matmul(%0, %1) : float32[1,1]
  %3 = tanh(%2) : float32[1,1]
  return z = %3
}`)
    const off = (by: number) => wrongBackend('matmul', (b, y) => b.add(y, by))
    const judged = (by: number, operandTolerance?: 'accumulation') =>
      judgeTrial(off(by), {
        op: 'tanh',
        graphs: [activated],
        rounds: [{ inputs: { x: [3, -3, 0.25], w: [5, 5, 0.5] }, variables: {} }],
        isFused: false,
        operandTolerance,
      })
    const [three, magnitudes, result] = [3, 15 + 15 + 0.125, 0.125]
    const own = 2 ** -23 * (16 * Math.tanh(result) + 4)
    const carried = 2 ** -23 * result + three * 2 ** -24 * magnitudes
    expect((await judged(1e-6, 'accumulation')).tolerance).toBeCloseTo(own + carried, 12)
    expect((await judged(5e-6, 'accumulation')).isAccepted).toBe(true)
    expect((await judged(8e-6, 'accumulation')).isAccepted).toBe(false)
    expect((await judged(5e-6)).isAccepted).toBe(false)
  })

  test('shrinks a wrong kernel to one element, with zeros and ones where numbers do not matter', async () => {
    const backend = wrongBackend('relu6', (b, _y, _node, [x]) => b.unary('relu', x as never))
    const { failures } = await verifyKernel(backend, 'relu6', { runs: 50 })
    const plain = failures.find(({ name }) => name === 'relu6')
    expect(plain?.counterexample.graph).toMatch(
      /^graph relu6 \{\n {2}%0 = input\(\) \{name="x0"\} : \w+(\[[1,]*\])?\n {2}%1 = relu6\(%0\)/,
    )
    expect(plain?.counterexample.inputs['x0']).toHaveLength(1)
    expect(plain?.counterexample.inputs['x0']?.[0]).toBeGreaterThan(6)
  })

  test('a search finds faults that random numbers on a grid miss', async () => {
    // 1 + 2^-22 is lost for multiples of 1/64: their products with it round to themselves.
    const backend = wrongBackend('matmul', (b, y) => (y.dtype === 'float32' ? b.add(y, b.mul(y, 2 ** -21)) : y))
    const { failures } = await verifyKernel(backend, 'matmul', { runs: 60 })
    expect(failures.length).toBeGreaterThan(0)
  })

  test.each([
    ['the order of a batch does not matter', 'conv2d', placed],
    ['a batch in two parts', 'avgPool2d', placed],
    ['f(2^k x) = 2^k f(x)', 'reduceSum', floored],
    ['f(x + z) = f(x) + f(z)', 'depthwiseConv2d', floored],
    ['a sum in two parts', 'matmul', floored],
    ['padding before it or in it', 'conv2d', padded],
    ['padding before it or in it', 'depthwiseConv2d', paddedWithNaN],
  ] as const)('checks laws of a kernel: %s', async (law, op, wrong) => {
    const backend = wrongBackend(op, (b, y, node, operands) =>
      y.dtype === 'float32' ? wrong(b, y, node, operands) : y,
    )
    const { failures } = await verifyKernel(backend, op, { runs: 40 })
    expect(failures.map(({ name }) => name)).toContain(`${op}: ${law}`)
  })

  test('stores failures and tests them first', async () => {
    const wrong = wrongBackend('neg', (b, y) => (y.dtype === 'float32' ? b.unary('abs', y) : y))
    const first = await verifyKernel(wrong, 'neg', { runs: 20, failures: folder })
    expect(first.failures.length).toBeGreaterThan(0)
    expect(readdirSync(folder).every((name) => name.startsWith('kernel-neg-on-wrong-neg-'))).toBe(true)
    const again = await verifyKernel(wrong, 'neg', { runs: 1, failures: folder })
    expect(again.failures.map(({ name }) => name)).toContain('neg, kept')
    const right = await verifyKernel({ ...referenceBackend(), name: 'wrong-neg' }, 'neg', { runs: 1, failures: folder })
    expect(right.failures).toEqual([])
    writeFileSync(join(folder, 'damaged.json'), '{ "name": 3 }')
    await expect(verifyKernel(wrong, 'neg', { runs: 1, failures: folder })).rejects.toMatchObject({
      code: 'EF501',
      message: expect.stringContaining('damaged.json'),
    })
  })
})

describe('verifyPass', () => {
  const keeping = passFactories.map((factory) => factory.make({})).filter(({ preserves }) => preserves !== 'mode')
  test.each(keeping.map((pass) => [pass.name, pass] as const))('accepts %s', async (_name, pass) => {
    const { failures, judged } = await verifyPass(pass, { runs: 60 })
    expect(failures).toEqual([])
    expect(judged.whole + judged.regions + judged.structure).toBeGreaterThan(0)
  })

  test('shrinks a graph to the part that a wrong pass changes, and stores it', async () => {
    const wrong = rulePass('wrong', 'a wrong law', [rule('x + y -> x', 'add', (n) => n.inputs[0] ?? null, 'rounding')])
    const { failures } = await verifyPass(wrong, { runs: 100, failures: `${folder}/passes` })
    expect(failures).toHaveLength(1)
    // One addition and its operands.
    expect(failures[0]?.counterexample.graph.match(/ = \w+\(/g)?.length).toBeLessThanOrEqual(3)
    expect(failures[0]?.error).toMatch(/was .* and is/)
    const again = await verifyPass(wrong, { runs: 1, seed: 77, failures: `${folder}/passes` })
    expect(again.failures.length).toBeGreaterThan(0)
  })

  test('a pass that throws or leaves an invalid graph', async () => {
    const throwing = {
      ...hoistPrepare,
      name: 'throwing',
      runProgram: () => {
        throw new Error('no')
      },
    }
    expect((await verifyPass(throwing, { runs: 3 })).failures[0]?.error).toBe('no')
  })
})

describe('verifyGraph', () => {
  test('checks passes, kernels and the whole of a model on a backend', async () => {
    const model = networkOfLayers([
      [0, 1],
      [2, 0],
      [3, 0],
      [6, 1],
      [2, 0],
    ])
    const { failures, judged, cases } = await verifyGraph(model, await createTfjsBackend({ backend: 'cpu' }))
    expect(failures).toEqual([])
    expect(judged.map(({ name, how }) => [name, how])).toContainEqual(['the whole graph', 'whole'])
    expect(judged.map(({ name, how }) => [name, how])).toContainEqual(['pass fold-batch-norm (run)', 'whole'])
    expect(cases).toBeGreaterThan(judged.length)
  })

  test('detects a wrong kernel, and a fault of the whole graph only', async () => {
    const model = graph('g', { x: float32(1, 4, 4, 2) }, ({ x }) => ({
      y: globalAveragePool2d(relu6(nn.conv2d(x, { name: 'c', filters: 3, kernel: 3 }))),
    }))
    const backend = await createTfjsBackend({ backend: 'cpu' })
    const wrong = {
      ...backend,
      legalize: [
        ...wrongBackend('relu6', (b, _y, _n, [x]) => b.unary('relu', x as never)).legalize,
        ...backend.legalize,
      ],
    }
    expect((await verifyGraph(model, wrong)).failures).toEqual([]) // its passes change the meaning deliberately, and their result runs correctly
    const swapped = {
      ...backend,
      compile: (async (program, store, cx) => {
        const runnable = await backend.compile(program as never, store, cx)
        const isWhole = program.steps.length === 1 && program.name === 'g'
        return isWhole
          ? {
              ...runnable,
              run: async (turn, steps, feeds, at) =>
                runnable.run(
                  turn,
                  steps,
                  new Map(
                    [...feeds].map(([name, feed]) => [
                      name,
                      'host' in feed ? { ...feed, host: feed.host.map((v) => v + 1) as never } : feed,
                    ]),
                  ),
                  at,
                ),
            }
          : runnable
      }) as typeof backend.compile,
    }
    expect((await verifyGraph(model, swapped)).failures.map(({ name }) => name)).toEqual(['the whole graph, result y'])
  })

  test('judges every result of a kernel, also one that is only used if a flag is true or only if it is false', async () => {
    const text = (then: string, otherwise: string) => `graph g {
  %0 = input() {name="x"} : float32[3]
  %1 = input() {name="ok"} : bool[]
  %2:2 = fusion(%0, %1) {body=(%0: float32[3], %1: bool[]) {
    %2 = neg(%0) : float32[3]
    %3 = tanh(%0) : float32[3]
    %4 = select(%1, %${then}, %${otherwise}) : float32[3]
    return %2, %4
  }, kind="loop"} : float32[3], float32[3]
  return first = %2.0, second = %2.1
}`
    const { legalize } = wrongBackend('tanh', (b, y) => b.add(y, 1))
    const reference = referenceBackend()
    /** It compiles kernels with a fault inside. */
    const wrong: typeof reference = {
      ...reference,
      compile: (program, store, cx) =>
        reference.compile(runPasses([decomposeOps(['fusion']), ...legalize], program, noContext), store, cx),
    }
    for (const [then, otherwise] of [
      ['3', '0'],
      ['0', '3'],
    ] as const)
      for (const seed of [1, 2, 3, 4]) {
        const found = parse(text(then, otherwise))
        const of = (backend: typeof reference) =>
          verifyGraph(found, backend, { seed, stage: 'fused', switches: { simplify: false, fusion: false } })
        expect((await of(reference)).failures).toEqual([])
        const [failure] = (await of(wrong)).failures
        expect(failure?.name).toBe('kernel loop')
        expect(failure?.counterexample.graph).toContain('return y1 = %2.1')
      }
  })

  test('names a wrong pass, and shrinks the original graph', async () => {
    const wrong = rulePass('wrong', 'a wrong law', [rule('x + y -> x', 'add', (n) => n.inputs[0] ?? null, 'rounding')])
    const text =
      'graph g { %x = input() {name="x"} : float32[9] %e = exp(%x) : float32[9] %y = add(%e, %x) : float32[9] return y = %y }'
    const { failures } = await verifyGraph(parse(text), referenceBackend(), { passes: [wrong] })
    expect(failures.map(({ name }) => name)).toEqual(['pass wrong'])
    expect(failures[0]?.counterexample.graph).not.toContain('exp')
  })
})
