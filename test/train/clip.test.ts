/** Clipping by the norm of all gradients together, at every magnitude of float32. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const source = `graph g {
  %g = input() {name="g"} : float32[3]  %h = input() {name="h"} : float32[2]
  %v = variable() {name="v"} : float32[3]  %w = variable() {name="w"} : float32[2]
  %x = add(%v, %v) : float32[3]  %y = add(%w, %w) : float32[2]
  return "gradient/v" = %g, "gradient/w" = %h, v = %x, w = %y }`

/** The gradients after the pass, in float32. */
const clipped = (longest: number, g: readonly number[]): readonly number[] => {
  const { program } = runPipeline(parsePipeline(`clip{longest=${longest}}`), programOf(parse(source)), { verify: true })
  const variables = new Map([
    ['v', new Float64Array(3)],
    ['w', new Float64Array(2)],
  ])
  const inputs = { g: g.slice(0, 3), h: g.slice(3) }
  const { outputs } = interpret(graphOf(program), { inputs, variables, mode: 'declared' })
  return ['gradient/v', 'gradient/w'].flatMap((name) => [...(outputs[name]?.data ?? [])])
}

test('the norm is limited to the maximum, and the direction stays, at any magnitude', () => {
  const number = fc.double({ min: -1, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      fc.array(number, { minLength: 5, maxLength: 5 }),
      fc.integer({ min: -18, max: 38 }),
      fc.integer({ min: -6, max: 6 }),
      (shares, power, allowed) => {
        const g = shares.map((share) => Math.fround(share * 10 ** power))
        const longest = 10 ** allowed
        const norm = Math.hypot(...g)
        const factor = Math.min(1, longest / norm)
        fc.pre(norm === 0 || factor >= 2 ** -126) // smaller numbers have fewer digits in float32
        clipped(longest, g).forEach((got, i) => {
          const want = (g[i] as number) * factor
          expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-6 * Math.min(norm, longest))
        })
      },
    ),
  )
})
