/** Laws that every op keeps: its example runs, its types are those of its values, its decomposition and its gradient agree with its semantics. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { elements, isFloat, type Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import { opCases } from '../../src/testing/cases/index.ts'
import { feedsOfCase, graphOfCase, type OpCase } from '../../src/testing/op-case.ts'

const caseList = Object.entries(opCases).map(([op, cases]) => ({ op, cases }))

describe('examples', () => {
  test.each(opNames)(
    '%s: parses, verifies, prints canonically, states its own name and numbered constraints',
    (name) => {
      const def = opDef(name)
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

describe('a decomposition computes what the op does', () => {
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

describe('gradients agree with central differences in float64', () => {
  test.each(caseList.filter(({ op }) => typeof opDef(op as OpCase['op']).vjp === 'function'))('$op', ({ cases }) => {
    fc.assert(
      fc.property(
        cases.filter((c: OpCase) => c.isSmooth),
        (c: OpCase) => {
          checkGradient(c)
        },
      ),
      { numRuns: 25 },
    )
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

/** sum over outputs of <weight, output>: its derivative by each float operand, by the VJP and by differences. */
const checkGradient = (c: OpCase): void => {
  const b = new Builder(c.op)
  const inputs = c.inputs.map(({ type }, i) => b.input(`x${i}`, type))
  const outputs = b.emit(c.op, inputs, c.attrs)
  const weight = (port: number, i: number): number => ((port * 7 + i * 5) % 11) / 4 - 1
  const outGrads = outputs.map((y, port) =>
    isFloat(y.dtype) ? b.input(`g${port}`, { dtype: y.dtype, shape: y.shape }) : null,
  )
  const { vjp } = opDef(c.op)
  if (typeof vjp !== 'function') throw new Error('no vjp')
  const grads = vjp({ outGrads, inputs, outputs, attrs: c.attrs, b })
  const graph = b.finish({
    ...Object.fromEntries(outputs.map((y, port) => [`y${port}`, y])),
    ...Object.fromEntries(grads.flatMap((g, i) => (g === null ? [] : [[`d${i}`, g]]))),
  })
  const weights = Object.fromEntries(
    outputs.flatMap((y, port) =>
      isFloat(y.dtype) ? [[`g${port}`, Array.from({ length: elements(y.shape) }, (_, i) => weight(port, i))]] : [],
    ),
  )
  const at = (feeds: { readonly [name: string]: readonly number[] }): number => {
    const { outputs: values } = interpret(graph, { inputs: { ...feeds, ...weights }, mode: 'float64' })
    return outputs.reduce(
      (sum, y, port) =>
        !isFloat(y.dtype)
          ? sum
          : Array.from(values[`y${port}`]?.data ?? []).reduce((s, x, i) => s + x * weight(port, i), sum),
      0,
    )
  }
  const feeds = feedsOfCase(c)
  const analytic = interpret(graph, { inputs: { ...feeds, ...weights }, mode: 'float64' }).outputs
  grads.forEach((g, k) => {
    if (g === null) return
    expect(g.shape).toEqual(inputs[k]?.shape)
    expect(g.dtype).toBe(inputs[k]?.dtype)
    const x = feeds[`x${k}`] ?? []
    const step = 1e-5
    x.forEach((value, i) => {
      const moved = (delta: number) => at({ ...feeds, [`x${k}`]: x.map((v, j) => (j === i ? value + delta : v)) })
      const numeric = (moved(step) - moved(-step)) / (2 * step)
      expectNear(analytic[`d${k}`]?.data[i] ?? Number.NaN, numeric, 1e-5)
    })
  })
}

const expectNear = (got: number, want: number, tolerance: number): void => {
  if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) return
  if (!(Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)))) expect.fail(`got ${got}, expected ${want}`)
}
