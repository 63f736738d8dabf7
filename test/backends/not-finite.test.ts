/** Values that are not finite, as machines compute them: NaN of either sign with any payload. Also huge angles. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import {
  cos,
  crossEntropy,
  float32,
  globalAveragePool2d,
  graph,
  nn,
  pow,
  relu,
  relu6,
  sgd,
  sin,
  sub,
  trainingStep,
} from '../../src/index.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import type { ElementwiseOps } from '../../src/ir/signatures.ts'
import type { Value } from '../../src/ir/value.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const backends = ['wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference', ...withTensorflow] as const

/** Quiet and signalling, either sign, smallest and largest payload. */
const nanBits = [0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff] as const
const float = { dtype: 'float32', shape: [1] } as const

/** Elementwise float ops with this many operands that give NaN if all operands are NaN. */
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

  test('a NaN in a layer with bias and relu ends in a step that is not finite and changes nothing', async () => {
    const net = graph('net', { image: float32('batch', 4, 4, 2) }, ({ image }) => {
      const x = relu(nn.conv2d(image, { name: 'conv', filters: 3, kernel: 3, bias: true }))
      return { logits: nn.dense(globalAveragePool2d(x), { name: 'dense', units: 2 }) }
    })
    const step = trainingStep(net, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
    using trainer = await compile(step, { backend, batch: 1 })
    const before = [...(await trainer.variables.get('conv/kernel', 'float32'))]
    const image = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i))
    image[13] = Number.NaN
    const { finite, loss } = await read(await trainer.run({ image, label: [1] }))
    expect([finite, loss]).toEqual([false, Number.NaN])
    expect([...(await trainer.variables.get('conv/kernel', 'float32'))]).toEqual(before)
    expect((await read(await trainer.run({ image: image.fill(1), label: [1] }))).finite).toBe(true)
  })

  test('inference without fusing keeps a NaN through relu', async () => {
    const net = graph('net', { image: float32(1, 2, 2, 1) }, ({ image }) => ({
      y: relu(nn.conv2d(image, { name: 'conv', filters: 2, kernel: 1, bias: true })),
    }))
    using plain = await compile(net, { backend, xla: false })
    const { y } = await read(await plain.run({ image: Float32Array.of(Number.NaN, 1, 1, 1) }))
    expect([...y].map(Number.isNaN)).toEqual([true, true, false, false, false, false, false, false])
  })

  test('an overflow in half precision stays not finite through relu', async () => {
    const model = graph('m', { x: float32('batch', 4) }, ({ x }) => {
      const h = nn.dense(x, { name: 'first', units: 4, bias: false })
      return { y: nn.dense(relu(sub(h, h)), { name: 'second', units: 2, bias: false }) }
    })
    const emulate = backend.startsWith('tfjs')
    using net = await compile(model, { backend, batch: 2, amp: { dtype: 'float16', emulate } })
    await net.variables.set('first/kernel', new Float32Array(16).fill(300))
    await net.variables.set('second/kernel', new Float32Array(8).fill(1))
    const { y } = await read(await net.run({ x: Float32Array.of(300, 300, 300, 300, 0, 0, 0, 0) })) // 360,000 exceeds float16
    expect([...y]).toEqual([Number.NaN, Number.NaN, 0, 0])
  })

  // The second size uses the kernels that check their result before they write it again (clamps.ts).
  test.each([23, 40_000])('every NaN passes through every op that keeps it, one of %i elements', async (size) => {
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
        const isKept = name !== 'pow right' // 1 to any power is 1
        const lost = values.findIndex((value, i) => Number.isNaN(value) !== (isKept && i === at))
        expect(`${name} of ${bits.toString(16)}: element ${lost}`).toBe(`${name} of ${bits.toString(16)}: element -1`)
      }
    }
  })

  test('relu and relu6 of large tensors are correct with infinities and zeros', async () => {
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

/** Replaces -0 by 0, which is equal. */
const withoutSign = (x: number): number => x + 0
