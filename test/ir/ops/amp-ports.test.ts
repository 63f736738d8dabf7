/** The port classes of every op agree with its type rule: with half operands at these ports, exactly these results are half. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { opDef } from '../../../src/ir/ops/index.ts'
import type { DType, Type } from '../../../src/ir/types.ts'
import { type CaseOp, opCases, type OpCase } from '../../../src/testing/index.ts'

const withoutFloats: readonly string[] = ['not', 'and', 'or']
const ops = (Object.keys(opCases) as CaseOp[]) // its keys are the ops
  .filter((op) => opDef(op).amp.length > 0 && !withoutFloats.includes(op))
const dtypesOf = (types: readonly Type[] | string): readonly DType[] | string =>
  typeof types === 'string' ? types : types.map(({ dtype }) => dtype)

/** Cases in float32: the others show nothing. */
const casesOf = (op: CaseOp): readonly OpCase[] => {
  const isWide = ({ inputs, attrs }: OpCase): boolean =>
    inputs.every(({ type: { dtype } }) => dtype !== 'float16' && dtype !== 'bfloat16') &&
    inputs.some(({ type: { dtype } }) => dtype === 'float32') &&
    (attrs as { readonly resultDtype?: DType | null }).resultDtype !== 'float32'
  return fc.sample(opCases[op] as fc.Arbitrary<OpCase>, { numRuns: 60, seed: 1 }).filter(isWide)
}

test.each(ops)('%s', (op) => {
  const { infer, amp } = opDef(op)
  const cases = casesOf(op)
  expect(cases.length).toBeGreaterThan(0)
  for (const { inputs, attrs } of cases) {
    const types = inputs.map(({ type }) => type)
    const outputs = infer(types, attrs, [])
    for (const { inputs: into, outputs: from, wideOutputs = [] } of amp) {
      const isIn = (ports: readonly number[] | 'all', port: number): boolean => ports === 'all' || ports.includes(port)
      const inHalf = types.map(
        (type, port): Type => (isIn(into, port) && type.dtype === 'float32' ? { ...type, dtype: 'float16' } : type),
      )
      const wanted = (dtypesOf(outputs) as readonly DType[]).map((dtype, port) =>
        isIn(from, port) && dtype === 'float32' ? 'float16' : dtype,
      )
      for (const ports of [into, from, wideOutputs])
        if (ports !== 'all') {
          const count = ports === into ? types.length : wanted.length
          expect(ports.every((port, i) => port < count && ports.indexOf(port) === i)).toBe(true)
        }
      expect(dtypesOf(infer(inHalf, attrs, []))).toEqual(wanted)
      if (wideOutputs.length === 0) continue
      const wide = wanted.map((dtype, port) => (wideOutputs.includes(port) ? 'float32' : dtype))
      expect(dtypesOf(infer(inHalf, { ...attrs, resultDtype: 'float32' }, []))).toEqual(wide)
    }
  }
})
