/** Gradients compared with central differences in float64, for random graphs and for a small EfficientNet in training form; and other guarantees. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { graph } from '../../src/ir/model.ts'
import { composite, mean, mul, reduceSum, sub, tanh } from '../../src/ir/functions.ts'
import { Edit } from '../../src/ir/edit.ts'
import { nodeAt, variablesOf } from '../../src/ir/graph.ts'
import { initialValues } from '../../src/ir/initializers.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { type Graph, type Ref, sameShape } from '../../src/ir/types.ts'
import { float32, int32, type Scalar, type Value } from '../../src/ir/value.ts'
import { verify } from '../../src/ir/verify.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { gradients } from '../../src/passes/autodiff/gradients.ts'
import { gradientPrefix } from '../../src/passes/autodiff/differentiate.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const smooth = ['tanh', 'sigmoid', 'silu', 'softplus', 'sin', 'neg', 'erf'] as const

/** Users' ops, one inside of the other. In the outer one, two ops read an operand. */
const bent = composite('bent', (x: Value<'float32'>) => mul(x, tanh(x)))
const tamed = composite('tamed', (x: Value<'float32'>, y: Value<'float32'>) => sub(bent(tanh(y)), tanh(mul(x, y))))

/** A program over x [2,3] and w [3,2], read from small numbers. Every op is smooth. */
const program = (steps: readonly (readonly [number, number, number])[]): Graph => {
  const b = new Builder('random')
  const inputs = [b.input('x', { dtype: 'float32', shape: [2, 3] }), b.input('w', { dtype: 'float32', shape: [3, 2] })]
  const values: Value[] = [...inputs]
  const pick = (at: number): Value => values[at % values.length] as Value
  for (const [op, i, j] of steps) {
    const [x, y] = [pick(i), pick(j)]
    const fitting = sameShape(x.shape, y.shape) ? y : x
    const choices: readonly (() => Value)[] = [
      () => b.unary(smooth[j % smooth.length] ?? 'tanh', x),
      () => b.add(x, fitting),
      () => b.mul(x, fitting),
      () => b.sub(x, b.mul(fitting, 0.5)),
      () => (x.shape.length === 2 ? b.tanh(b.matmul(x, x, { transposeB: j % 2 === 0, transposeA: j % 2 === 1 })) : x),
      () =>
        b.mean(
          x,
          [j % Math.max(1, x.shape.length)].filter((a) => a < x.shape.length),
          true,
        ),
      () => (x.shape.length > 0 ? b.softmax(x) : x),
      () =>
        b.transpose(
          x,
          x.shape.map((_, a) => x.shape.length - 1 - a),
        ),
      () => b.broadcast(x, [2, ...x.shape]),
      () => (x.shape.length > 0 ? b.concatenate([x, fitting], 0) : x),
      () => tamed(x as Value<'float32'>, fitting as Value<'float32'>), // all of them have this type
    ]
    values.push((choices[op % choices.length] ?? (() => x))())
  }
  const last = values.at(-1) as Value
  const loss = b.mean(
    b.tanh(last),
    last.shape.map((_, axis) => axis),
  ) as Scalar
  const [dx, dw] = gradients(loss, inputs as [Value<'float32'>, Value<'float32'>])
  return b.finish({ loss, dx: dx as Value, dw: dw as Value })
}

const inputsOf = (seed: number) => ({
  x: Float64Array.from({ length: 6 }, (_, i) => Math.sin(seed + i * 1.7)),
  w: Float64Array.from({ length: 6 }, (_, i) => Math.cos(seed * 2 + i)),
})

describe('central differences', () => {
  test('random graphs', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 10 }),
        fc.nat(100),
        (steps, seed) => {
          const g = program(steps)
          expect(verify(g)).toEqual([])
          const at = inputsOf(seed)
          const run = (inputs: typeof at) => interpret(g, { inputs, mode: 'float64' }).outputs
          const found = run(at)
          for (const [name, output] of [
            ['x', 'dx'],
            ['w', 'dw'],
          ] as const) {
            at[name].forEach((value, i) => {
              const moved = (delta: number) =>
                run({ ...at, [name]: at[name].with(i, value + delta) })['loss']?.data[0] ?? Number.NaN
              const numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
              expect(Math.abs((found[output]?.data[i] ?? Number.NaN) - numeric)).toBeLessThan(1e-7)
            })
          }
        },
      ),
      { numRuns: 150 },
    )
  })

  test('a small EfficientNet in training form: norms, squeeze-excite, residuals', () => {
    const model = efficientNet('b0', {
      classes: 3,
      resolution: 12,
      dropout: 0,
      stochasticDepth: 0,
      blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }],
    })
    const step = withLoss(model.at({ batch: 3 }))
    const { program } = runPipeline(parsePipeline('to-training,differentiate'), programOf(step), { verify: true })
    const trained = graphOf(program)
    const names = trained.outputs.flatMap((o) =>
      o.name.startsWith(gradientPrefix) ? [o.name.slice(gradientPrefix.length)] : [],
    )
    expect(names.length).toBe(variablesOf(step).filter((n) => n.attrs.trainable).length)
    expect(trained.updates.length).toBe(variablesOf(step).filter((n) => !n.attrs.trainable).length)
    const variables = new Map(
      variablesOf(step).map((n) => [
        n.attrs.name,
        Float64Array.from(initialValues(n.attrs.init, n.types[0]?.shape ?? [], { seed: 5, name: n.attrs.name })),
      ]),
    )
    const inputs = {
      image: Float64Array.from({ length: 3 * 12 * 12 * 3 }, (_, i) => (i * 97) % 256),
      label: Float64Array.of(1, 0, 0, 0, 0.5, 0.5, 0, 0, 1),
    }
    const run = (vars: typeof variables) => interpret(trained, { inputs, variables: vars, mode: 'float64' }).outputs
    const found = run(variables)
    for (const name of names) {
      const values = variables.get(name) as Float64Array
      const i = Math.floor(values.length / 2)
      const moved = (delta: number) =>
        run(new Map([...variables, [name, values.with(i, (values[i] ?? 0) + delta)]]))['loss']?.data[0] ?? Number.NaN
      const numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
      const got = found[`${gradientPrefix}${name}`]?.data[i] ?? Number.NaN
      if (!(Math.abs(got - numeric) <= 2e-8 + 1e-6 * Math.abs(numeric)))
        expect.fail(`${name}[${i}]: got ${got}, differences say ${numeric}`)
    }
  }, 300_000)
})

/** The model's graph with an input `label` and an output `loss`. */
const withLoss = (inner: Graph): Graph => {
  const edit = new Edit(inner, 'loss')
  const logits = inner.outputs.find((o) => o.name === 'logits')?.value as Ref
  const from = nodeAt(inner, logits.id)
  const label = edit.add('input', [], { name: 'label' }, from, '', [edit.typeOf(logits)])
  const b = edit.emitter(from, 'loss')
  const loss = b.mean(b.emit1('softmaxCrossEntropy', [logits, label], {}), [0])
  edit.setInputs([...inner.inputs, label.id])
  edit.setOutputs([...inner.outputs, { name: 'loss', value: loss }])
  return edit.commit()
}

describe('promises', () => {
  test('gradients can be differentiated again', () => {
    const model = graph('cube', { x: float32(2) }, ({ x }) => {
      const [first] = gradients(reduceSum(mul(mul(x, x), x)), [x])
      const [second] = gradients(reduceSum(first), [x])
      return { first, second }
    })
    const { outputs } = interpret(model.at({ batch: 1 }), { inputs: { x: [2, -3] } })
    expect([...(outputs['first']?.data ?? [])]).toEqual([12, 27])
    expect([...(outputs['second']?.data ?? [])]).toEqual([12, -18])
  })
  test("gradients of a user's op can be differentiated again", () => {
    const cube = composite('cube', (x: Value<'float32', 1>) => mul(mul(x, x), x))
    const model = graph('cube', { x: float32(2) }, ({ x }) => {
      const [first] = gradients(reduceSum(cube(x)), [x])
      const [second] = gradients(reduceSum(first), [x])
      return { first, second }
    })
    const { outputs } = interpret(model.at({ batch: 1 }), { inputs: { x: [2, -3] } })
    expect([...(outputs['first']?.data ?? [])]).toEqual([12, 27])
    expect([...(outputs['second']?.data ?? [])]).toEqual([12, -18])
  })
  test('a value without dependents has a zero gradient; paths name the differentiated nodes', () => {
    const model = graph('g', { x: float32(2), y: float32(3) }, ({ x, y }, b) => {
      const [dx, dy] = gradients(
        b.scope('head', () => mean(tanh(x))),
        [x, y],
      )
      return { dx, dy }
    })
    const built = model.at({ batch: 1 })
    expect([...(interpret(built, { inputs: { x: [1, 2], y: [1, 2, 3] } }).outputs['dy']?.data ?? [])]).toEqual([
      0, 0, 0,
    ])
    expect(built.nodes.some((n) => n?.path === 'grad(head)')).toBe(true)
  })
  test('only nodes on paths from the requested values are visited: other integer nodes do not matter', () => {
    const model = graph('g', { x: float32(2), i: int32(2) }, ({ x, i }, b) => {
      const [dx] = gradients(reduceSum(mul(x, b.cast(b.mul(i, i), 'float32') as typeof x)), [x])
      return { dx }
    })
    expect([
      ...(interpret(model.at({ batch: 1 }), { inputs: { x: [1, 2], i: [3, 4] } }).outputs['dx']?.data ?? []),
    ]).toEqual([9, 16])
  })
  test('an op without a gradient is allowed if the requested values do not reach it', () => {
    const b = new Builder('beside')
    const [x, w] = [b.input('x', { dtype: 'float32', shape: [2] }), b.variable('w', { shape: [2] })]
    const [step, finite] = [
      b.input('step', { dtype: 'int32', shape: [] }),
      b.input('finite', { dtype: 'bool', shape: [] }),
    ]
    const smoothed = b.emit1('ema', [x, b.neg(x), step, finite], { decay: 0.5 })
    const loss = b.reduceSum(b.mul(w, smoothed), [0])
    const [slope] = gradients(loss as Scalar, [w as Value<'float32'>])
    const whole = b.finish({ slope: slope as Value })
    const inputs = { x: [1, 2], step: [0], finite: [1] }
    const { outputs } = interpret(whole, { inputs, variables: new Map([['w', [5, 7]]]), mode: 'float64' })
    // A fraction 1 - min(decay, 2 / 11) of the way from x to -x.
    for (const [i, x] of inputs.x.entries()) expect(outputs['slope']?.data[i]).toBeCloseTo(x - 2 * x * (9 / 11), 12)
  })

  test('the gradient of an op without one is zero with respect to values that it does not depend on', () => {
    const b = new Builder('apart')
    const [scale, good] = [
      b.input('scale', { dtype: 'float32', shape: [] }),
      b.input('good', { dtype: 'int32', shape: [] }),
    ]
    const finite = b.input('finite', { dtype: 'bool', shape: [] })
    const w = b.variable('w', { shape: [2] })
    const [next] = b.emit('lossScaleUpdate', [scale, good, finite], { interval: 2, least: 1 })
    const [slope] = gradients(next as Scalar, [w as Value<'float32'>])
    const inputs = { scale: [4], good: [0], finite: [1] }
    const { outputs } = interpret(b.finish({ slope: slope as Value }), { inputs, variables: new Map([['w', [5, 7]]]) })
    expect(outputs['slope']?.data).toEqual(Float64Array.of(0, 0))
  })

  test('frozen variables get no gradient, and norms of frozen scales keep their statistics', () => {
    const source = `graph g {
      %x = input() {name="x"} : float32[4,2]  %s = variable() {name="bn/scale"} : float32[2]  %o = variable() {name="bn/offset"} : float32[2]
      %m = variable() {name="bn/mean", trainable=false} : float32[2]  %v = variable() {name="bn/variance", trainable=false} : float32[2]
      %y = batchNorm(%x, %s, %o, %m, %v) {epsilon=0.001, momentum=0.9} : float32[4,2]  %l = mean(%y) {axes=[0, 1]} : float32[]
      return loss = %l }`
    const of = (frozen: string) =>
      graphOf(
        runPipeline(
          parsePipeline(`to-training{frozen=${frozen}},differentiate{frozen=${frozen}}`),
          programOf(parse(source)),
          { verify: true },
        ).program,
      )
    expect(of('[]').outputs.map((o) => o.name)).toEqual(['loss', 'gradient/bn/scale', 'gradient/bn/offset'])
    expect(of('[]').updates.length).toBe(2)
    expect(of('["**/scale"]').outputs.map((o) => o.name)).toEqual(['loss', 'gradient/bn/offset'])
    expect(of('["**/scale"]').updates.length).toBe(0)
    expect(print(of('["**/scale"]'))).toContain('batchNormInference')
  })
  test('dropout draws from its stream, keeps the expectation, and can drop whole samples', () => {
    const source = (per: string) =>
      `graph g { %x = input() {name="x"} : float32[2000,3] %y = dropout(%x) {per="${per}", rate=0.25, stream="d"} : float32[2000,3] return y = %y }`
    for (const per of ['element', 'sample']) {
      const { program } = runPipeline(parsePipeline('to-training'), programOf(parse(source(per))), { verify: true })
      const run = (runIndex: number) =>
        interpret(graphOf(program), { inputs: { x: new Float64Array(6000).fill(1) }, runIndex }).outputs['y']?.data ??
        new Float64Array()
      const y = run(0)
      expect(new Set(y)).toEqual(new Set([0, Math.fround(4 / 3)]))
      expect(Math.abs(y.reduce((a, v) => a + v, 0) / 6000 - 1)).toBeLessThan(0.05)
      expect([...run(1)]).not.toEqual([...y])
      const rows = Array.from({ length: 2000 }, (_, i) => new Set(y.subarray(i * 3, i * 3 + 3)).size)
      expect(rows.every((n) => n === 1)).toBe(per === 'sample')
    }
  })
  test.each([
    [
      'a value of another graph that has as many',
      () => {
        let kept: Value<'float32', 1> | undefined
        graph('other', { x: float32(2) }, ({ x }) => {
          kept = x
          return { x }
        }).at({ batch: 1 })
        return graph('g', { x: float32(2) }, ({ x }) => ({ y: gradients(reduceSum(x), [kept as typeof x])[0] }))
      },
      'EF110',
      /gradients: a value is of another graph than the scalar/,
    ],
    [
      'no list',
      () => graph('g', { x: float32(2) }, ({ x }) => ({ y: gradients(reduceSum(x), x as never) as never as Value })),
      'EF101',
      /gradients: a list of values is needed, got float32\[2\]/,
    ],
    [
      'no scalar',
      () => graph('g', { x: float32(2) }, ({ x }) => ({ y: gradients(x as never, [x])[0] as Value })),
      'EF101',
      /gradients are taken of a float scalar, got float32\[2\]/,
    ],
    [
      'model form',
      () =>
        graph('g', { x: float32(2) }, ({ x }, b) => ({
          y: gradients(mean(b.emit1('dropout', [x], { rate: 0.5, per: 'element', stream: 's' }) as typeof x), [
            x,
          ])[0] as Value,
        })),
      'EF303',
      /dropout cannot be differentiated/,
    ],
    [
      'no such output',
      () =>
        runPipeline(
          parsePipeline('differentiate{loss=cost}'),
          programOf(parse('graph g { %x = input() {name="x"} : float32[] return y = %x }')),
        ),
      'EF302',
      /there is no output "cost" to differentiate; there are y/,
    ],
  ])('%s is an error', (_name, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })
})
