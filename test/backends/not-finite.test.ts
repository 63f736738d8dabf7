/** What is not finite, as machines make it: NaN of either sign and any payload, and huge angles. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { cos, float32, graph, pow, relu, relu6, sin, sub } from '../../src/index.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import type { ElementwiseOps } from '../../src/ir/signatures.ts'
import type { Value } from '../../src/ir/value.ts'

const backends = ['tfjs-wasm', 'tfjs-cpu', 'reference'] as const

/** Quiet and signalling, either sign, smallest and largest payload. */
const nanBits = [0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff] as const
const float = { dtype: 'float32', shape: [1] } as const

/** Elementwise float ops of so many operands that give NaN where all of them are NaN. */
const nanKeepers = (arity: 1 | 2) =>
  opNames.filter((op): op is keyof ElementwiseOps => {
    const def = opDef(op)
    const inputs = Array.from({ length: arity }, () => float)
    if (def.fusion !== 'elementwise' || def.level !== 'primitive' || def.arity !== arity || op === 'cast') return false
    const types = def.infer(inputs as never, op === 'compare' ? { direction: 'eq' } : {}, []) // as many as its arity
    return typeof types !== 'string' && types[0]?.dtype === 'float32'
  })

describe.each(backends)('%s', (backend) => {
  test('relu and relu6 keep a NaN that the machine computed', async () => {
    const model = graph('m', { x: float32(3) }, ({ x }) => ({ y: relu(sub(x, x)), z: relu6(sub(x, x)) }))
    using net = await compile(model, { backend })
    const { y, z } = await read(await net.run({ x: [Infinity, 1, -Infinity] }))
    expect([...y]).toEqual([Number.NaN, 0, Number.NaN])
    expect([...z]).toEqual([Number.NaN, 0, Number.NaN])
  })

  // The second size takes the kernels that look before they write again (clamps.ts).
  test.each([23, 40_000])('every NaN goes through every op that keeps it, one of %i elements', async (size) => {
    const [unaries, binaries] = [nanKeepers(1), nanKeepers(2)]
    expect(unaries.length).toBeGreaterThan(20)
    expect(binaries.length).toBeGreaterThan(6)
    const model = graph('m', { x: float32(size), one: float32(size) }, ({ x, one }, b) => {
      const outputs: { [name: string]: Value } = {}
      for (const op of unaries) outputs[op] = b.emit1(op, [x], {} as never) // no unary op here has attributes
      for (const op of binaries) {
        outputs[`${op} left`] = b.emit1(op, [x, one], {} as never)
        outputs[`${op} right`] = b.emit1(op, [one, x], {} as never)
      }
      return outputs
    })
    using net = await compile(model, { backend })
    for (const bits of nanBits) {
      const x = new Float32Array(size).fill(0.5)
      const at = size - 2
      new Uint32Array(x.buffer)[at] = bits
      const results = await read(await net.run({ x, one: new Float32Array(size).fill(1) }))
      for (const [name, data] of Object.entries(results)) {
        const values = data as Float32Array // all outputs are float32
        const isKept = name !== 'pow right' // 1 to the power of anything is 1
        const lost = values.findIndex((value, i) => Number.isNaN(value) !== (isKept && i === at))
        expect(`${name} of ${bits.toString(16)}: element ${lost}`).toBe(`${name} of ${bits.toString(16)}: element -1`)
      }
    }
  })

  test('relu and relu6 of large tensors are right beside infinities and zeros', async () => {
    const model = graph('m', { x: float32(40_000) }, ({ x }) => ({ y: relu(x), z: relu6(x) }))
    using net = await compile(model, { backend })
    for (const special of [[], [Infinity], [-Infinity, Number.NaN, Infinity, -0, 0, 6, -1e-45, 3e38]]) {
      const x = Float32Array.from({ length: 40_000 }, (_, i) => special[i] ?? 10 * Math.sin(i))
      const { y, z } = await read(await net.run({ x }))
      expect([...y].map(withoutSign)).toEqual([...x].map((v) => withoutSign(Math.max(v, 0))))
      expect([...z].map(withoutSign)).toEqual([...x].map((v) => withoutSign(Math.min(Math.max(v, 0), 6))))
    }
  })

  test('powers at the ends of the line are those of IEEE 754', async () => {
    const model = graph('m', { x: float32(9), y: float32(9) }, ({ x, y }) => ({ z: pow(x, y) }))
    using net = await compile(model, { backend })
    const { z } = await read(
      await net.run({
        x: [1, 1, -1, -1, Number.NaN, 0, -0, -8, 2],
        y: [Number.NaN, Infinity, Infinity, -Infinity, 0, 0, -1, 1 / 3, -Infinity],
      }),
    )
    expect([...z]).toEqual([1, 1, 1, 1, 1, 1, -Infinity, Number.NaN, 0])
  })

  test('sin and cos of huge angles', async () => {
    const model = graph('m', { x: float32(500) }, ({ x }) => ({ sin: sin(x), cos: cos(x) }))
    using net = await compile(model, { backend })
    const x = Float32Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 10 ** (i / 13) * (1 + i / 7919))
    const results = await read(await net.run({ x }))
    for (const name of ['sin', 'cos'] as const)
      results[name].forEach((value, i) => expect(value).toBeCloseTo(Math[name](x[i] ?? 0), 6))
    expect(results.sin[0]).toBeCloseTo(Math.sin(1), 6)
  })
})

/** 0 for -0, which fits it. */
const withoutSign = (x: number): number => x + 0
