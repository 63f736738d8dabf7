/** Laws that every op keeps: its example runs, its types are those of its values, its decomposition and its gradient agree with its semantics. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { describedOp } from '../../src/ir/ops/described.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import { opVjp, opVjps } from '../../src/ir/ops/vjps.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { elements, isFloat, type Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import { isDistinct } from '../../src/testing/arbitraries.ts'
import { opCases } from '../../src/testing/cases/index.ts'
import { feedsOfCase, graphOfCase, type OpCase } from '../../src/testing/op-case.ts'

const caseList = Object.entries(opCases).map(([op, cases]) => ({ op, cases }))

describe('examples', () => {
  test.each(opNames)(
    '%s: parses, verifies, prints canonically, states its own name and numbered constraints',
    (name) => {
      const def = describedOp(name)
      const graph = parse(def.example)
      expect(verify(graph)).toEqual([])
      expect(print(graph, { paths: false })).toBe(`${def.example}\n`)
      expect(graph.nodes.some((n) => n?.op === name)).toBe(true)
      expect(def.name).toBe(name)
      expect(def.summary).toMatch(/\.$/)
      def.constraints.forEach((c, i) => expect(c).toMatch(new RegExp(`^C${i + 1}: `)))
      if (def.level === 'composite' || def.level === 'region') expect(def.decompose).toBeDefined()
    },
  )
})

describe('every value has its type', () => {
  test.each(caseList)('$op', ({ cases }) => {
    fc.assert(
      fc.property(cases, (c: OpCase) => {
        const graph = graphOfCase(c)
        expect(verify(graph)).toEqual([])
        const { outputs } = interpret(graph, { inputs: feedsOfCase(c), mode: 'declared' })
        for (const { data, dtype, shape } of Object.values(outputs)) {
          expect(data.length).toBe(elements(shape))
          if (dtype === 'int32') expect(data.every((x) => x === (x | 0))).toBe(true)
          if (dtype === 'bool') expect(data.every((x) => x === 0 || x === 1)).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('a decomposition computes the same as the op', () => {
  test.each(
    caseList.filter(
      ({ op }) => opDef(op as OpCase['op']).decompose !== undefined && opDef(op as OpCase['op']).level !== 'model',
    ),
  )('$op', ({ cases }) => {
    fc.assert(
      fc.property(cases, (c: OpCase) => {
        const want = interpret(graphOfCase(c), { inputs: feedsOfCase(c), mode: 'float64' }).outputs
        const got = interpret(decomposed(c), { inputs: feedsOfCase(c), mode: 'float64' }).outputs
        for (const [name, tensor] of Object.entries(want)) {
          expect(got[name]?.dtype).toBe(tensor.dtype)
          expect(got[name]?.shape).toEqual(tensor.shape)
          tensor.data.forEach((x, i) => expectNear(got[name]?.data[i] ?? Number.NaN, x, 1e-9))
        }
      }),
      { numRuns: 40 },
    )
  })
})

const differentiable = caseList.filter(({ op }) => typeof opVjps[op as OpCase['op']] === 'function')
const flat = caseList.filter(({ op }) => opVjps[op as OpCase['op']] === 'zero')

describe('gradients agree with central differences in float64', () => {
  test.each(differentiable)('$op', ({ cases }) => {
    fc.assert(
      fc.property(
        cases.filter((c: OpCase) => c.isSmooth),
        fc.nat(),
        (c: OpCase, ports: number) => {
          checkGradient(c, ports)
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe("an op whose gradient is 'zero' has no float result, or a piecewise constant one", () => {
  test.each(flat)('$op', ({ cases }) => {
    fc.assert(
      fc.property(cases, (c: OpCase) => {
        const at = (delta: number) => {
          // Away from the grid of the cases, where ops have jumps.
          const moved = c.inputs.map(({ type, data }) =>
            isFloat(type.dtype) ? data.map((x) => x + 0.003 + delta) : data,
          )
          const inputs = Object.fromEntries(moved.map((data, i) => [`x${i}`, data]))
          return Object.values(interpret(graphOfCase(c), { inputs, mode: 'float64' }).outputs)
        }
        const [before, after] = [at(-1e-5), at(1e-5)]
        before.forEach(({ dtype, data }, port) => {
          if (isFloat(dtype)) expect(after[port]?.data).toEqual(data)
        })
      }),
      { numRuns: 25 },
    )
  })
})

describe('no op is omitted', () => {
  const sources = 'no operands, so nothing to differentiate'
  const model = 'model form: to-training replaces it before gradients are taken'
  const updates = 'an update of a training step, which nothing is differentiated through'
  /** Why an op has no gradient check above. */
  const reasons: { readonly [op: string]: string } = {
    input: sources,
    variable: sources,
    constant: sources,
    batchNorm: model,
    dropout: model,
    rmsprop: updates,
    sgd: updates,
    adam: updates,
    ema: updates,
    lossScaleUpdate: updates,
    fusion: 'made after gradients are taken',
    composite: 'differentiated by its body: test/passes/composite-gradients.test.ts',
  }
  test('every op has a gradient check, or a reason why not', () => {
    const checked = [...differentiable, ...flat].map(({ op }) => op)
    expect([...checked, ...Object.keys(reasons)].sort()).toEqual([...opNames].sort())
    for (const op of Object.keys(reasons)) expect(typeof opVjps[op as OpCase['op']]).not.toBe('function')
  })
  test.each(differentiable)('$op: the check finds enough smooth cases', ({ cases }) => {
    const smooth = fc.sample(cases, { seed: 1, numRuns: 200 }).filter((c: OpCase) => c.isSmooth)
    expect(smooth.length).toBeGreaterThan(10)
    expect(smooth.some((c) => c.inputs.some(({ data }) => data.length > 3))).toBe(true)
  })
})

const decomposed = (c: OpCase): Graph => {
  const b = new Builder(c.op)
  const inputs = c.inputs.map(({ type }, i) => b.input(`x${i}`, type))
  const types = graphOfCase(c)
    .outputs.map((_, port) => b.emit(c.op, inputs, c.attrs)[port])
    .map((v) => ({ dtype: v?.dtype ?? 'bool', shape: v?.shape ?? [] }))
  const results = opDef(c.op).decompose?.({ inputs, attrs: c.attrs, types, b }) ?? []
  return b.finish(Object.fromEntries(results.map((v, i) => [`y${i}`, v])))
}

/**
 * sum over outputs of <weight, output>: its derivative with respect to each float operand, by the VJP and by differences. The bits of `ports` select
 * which float outputs have a gradient.
 */
const checkGradient = (c: OpCase, ports: number): void => {
  const b = new Builder(c.op)
  const inputs = c.inputs.map(({ type }, i) => b.input(`x${i}`, type))
  const outputs = b.emit(c.op, inputs, c.attrs)
  const floats = outputs.flatMap((y, port) => (isFloat(y.dtype) ? [port] : []))
  const mask = 1 + (ports % (2 ** floats.length - 1))
  const isUsed = (port: number): boolean => floats.includes(port) && ((mask >> floats.indexOf(port)) & 1) === 1
  const weight = (port: number, i: number): number => ((port * 7 + i * 5) % 11) / 4 - 1
  const outGrads = outputs.map((y, port) =>
    isUsed(port) ? b.input(`g${port}`, { dtype: y.dtype, shape: y.shape }) : null,
  )
  const vjp = opVjp(c.op)
  if (typeof vjp !== 'function') throw new Error('no vjp')
  const grads = vjp({ outGrads, inputs, outputs, attrs: c.attrs, b })
  const graph = b.finish({
    ...Object.fromEntries(outputs.map((y, port) => [`y${port}`, y])),
    ...Object.fromEntries(grads.flatMap((g, i) => (g === null ? [] : [[`d${i}`, g]]))),
  })
  const weights = Object.fromEntries(
    outputs.flatMap((y, port) =>
      isUsed(port) ? [[`g${port}`, Array.from({ length: elements(y.shape) }, (_, i) => weight(port, i))]] : [],
    ),
  )
  const at = (feeds: { readonly [name: string]: readonly number[] }): number => {
    const { outputs: values } = interpret(graph, { inputs: { ...feeds, ...weights }, mode: 'float64' })
    return outputs.reduce(
      (sum, _, port) =>
        !isUsed(port)
          ? sum
          : Array.from(values[`y${port}`]?.data ?? []).reduce((s, x, i) => s + x * weight(port, i), sum),
      0,
    )
  }
  const feeds = feedsOfCase(c)
  const analytic = interpret(graph, { inputs: { ...feeds, ...weights }, mode: 'float64' }).outputs
  grads.forEach((g, k) => {
    const operand = c.inputs[k]
    if (operand === undefined || !isFloat(operand.type.dtype)) return
    // No gradient means that the output does not depend on the operand. Between ties of a comparison, that is correct.
    if (g === null && !isDistinct(operand)) return
    if (g !== null) expect([g.shape, g.dtype]).toEqual([operand.type.shape, operand.type.dtype])
    const x = feeds[`x${k}`] ?? []
    const step = 1e-5
    x.forEach((value, i) => {
      const moved = (delta: number) => at({ ...feeds, [`x${k}`]: x.map((v, j) => (j === i ? value + delta : v)) })
      const numeric = (moved(step) - moved(-step)) / (2 * step)
      expectNear(g === null ? 0 : (analytic[`d${k}`]?.data[i] ?? Number.NaN), numeric, 1e-5)
    })
  })
}

const expectNear = (got: number, want: number, tolerance: number): void => {
  if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) return
  if (!(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)))) expect.fail(`got ${got}, expected ${want}`)
}
