/** Functions whose convolutions keep their filters: which nodes become one, when such a function is called, and that it never has old numbers. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { createTensorflowBackend, type TensorflowOptions } from '../../../src/backends/tensorflow/index.ts'
import { withKeptFilters } from '../../../src/backends/tensorflow/kept-filters.ts'
import { lowerGraph } from '../../../src/backends/tensorflow/lower-graph.ts'
import { plainForms } from '../../../src/backends/tensorflow/lowering.ts'
import { oneDnnAbilities } from '../../../src/backends/tensorflow/one-dnn-trial.ts'
import type { FunctionDef, NodeDef } from '../../../src/backends/tensorflow/proto/tensorflow_pb.ts'
import { compile } from '../../../src/compile.ts'
import { crossEntropy, nn, sgd, trainingStep } from '../../../src/index.ts'
import { add, mean, relu6, silu } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { parse } from '../../../src/ir/parse.ts'
import { float32 } from '../../../src/ir/value.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const image = 'float32[2,5,5,4]'
/** %s is a convolution of %x with a bias. The filter is the argument a1. */
const lowered = (filter: string, more: string): FunctionDef =>
  lowerGraph(
    parse(`graph g {\n%x = input() {name="x"} : ${image}\n%w = variable() {name="w"} : float32[3,3,4,4]
      %v = add(%w, %w) : float32[3,3,4,4]\n%b = variable() {name="b"} : float32[4]
      %c = conv2d(%x, ${filter}) {padding="same", strides=[1,1]} : ${image}
      %r = broadcast(%b) {axes=[3], shape=[2,5,5,4]} : ${image}\n%s = add(%c, %r) : ${image}\n${more}\n}`),
    'f',
    { halfKernels: new Set(), forms: plainForms },
  ).functions[0] as FunctionDef

describe('withKeptFilters()', () => {
  const kept = (more: string): FunctionDef | null => withKeptFilters(lowered('%w', more), 'kept', new Set(['a1']))
  const convolutions = (definition: FunctionDef | null): readonly NodeDef[] =>
    definition?.nodeDef.filter(({ op }) => op === '_MklNativeFusedConv2D') ?? []
  const textOf = (node: NodeDef | undefined): readonly string[] => {
    const { value } = node?.attr['fused_ops'] ?? {}
    return value?.case === 'list' ? value.value.s.map((text) => new TextDecoder().decode(text)) : []
  }
  const ending = (op: string, operands = '%s'): string => `%y = ${op}(${operands}) : ${image}\nreturn y = %y`

  test.each([
    ['the bias', 'return y = %s', ['BiasAdd'], ['BiasAdd', 'Conv2D']],
    ['relu', ending('relu'), ['BiasAdd', 'Relu'], ['BiasAdd', 'Conv2D', 'Relu']],
    ['relu6', ending('relu6'), ['BiasAdd', 'Relu6'], ['BiasAdd', 'Conv2D', 'Relu6']],
    ['a swish', ending('silu'), ['BiasAdd', '_MklSwish'], ['BiasAdd', 'Conv2D', 'Mul', 'Sigmoid']],
    ['a tensor', ending('add', '%x, %s'), ['BiasAdd', 'Add'], ['AddN', 'BiasAdd', 'Conv2D']],
    ['no tanh', ending('tanh'), ['BiasAdd'], ['BiasAdd', 'Conv2D']],
    ['no double', ending('add', '%s, %s'), ['BiasAdd'], ['BiasAdd', 'Conv2D']],
    [
      'no relu, if the sum is a result',
      `%y = relu(%s) : ${image}\nreturn y = %y, s = %s`,
      ['BiasAdd'],
      ['BiasAdd', 'Conv2D'],
    ],
    [
      'no product of another sigmoid',
      `%z = sigmoid(%s) : ${image}\n${ending('mul', '%z, %x')}`,
      ['BiasAdd'],
      ['BiasAdd', 'Conv2D'],
    ],
  ])('fuses a convolution with %s', (_, more, ops, gone) => {
    const found = kept(more)
    expect(convolutions(found).map(textOf)).toEqual([ops])
    const left = (definition: FunctionDef | null) => definition?.nodeDef.map(({ op }) => op) ?? []
    const want = left(lowered('%w', more))
    for (const op of gone) want.splice(want.indexOf(op), 1)
    expect(left(found).sort()).toEqual([...want, '_MklNativeFusedConv2D'].sort())
    // Each operand and result is an argument or the result of a node.
    const names = new Set(found?.nodeDef.map(({ name }) => name))
    const refs = [...(found?.nodeDef.flatMap(({ input }) => input) ?? []), ...Object.values(found?.ret ?? {})]
    for (const ref of refs) if (ref.includes(':')) expect(names).toContain(ref.split(':')[0])
  })

  test('computes the sum of two convolutions with one of them', () => {
    const found = kept(`%c2 = conv2d(%x, %w) {padding="same", strides=[1,1]} : ${image}
      %r2 = broadcast(%b) {axes=[3], shape=[2,5,5,4]} : ${image}\n%s2 = add(%c2, %r2) : ${image}\n${ending('add', '%s, %s2')}`)
    const [first, second] = convolutions(found)
    expect([textOf(first), textOf(second)]).toEqual([['BiasAdd', 'Add'], ['BiasAdd']])
    expect(first?.input.at(-1)).toBe(`${second?.name}:output:0`)
    expect(Object.values(found?.ret ?? {})).toEqual([`${first?.name}:output:0`])
  })

  test('is null without a bias, and if the filter is computed', () => {
    expect(kept('return y = %c')).toBe(null)
    expect(withKeptFilters(lowered('%v', 'return y = %s'), 'kept', new Set(['a1']))).toBe(null)
    expect(withKeptFilters(lowered('%w', 'return y = %s'), 'kept', new Set(['a2']))).toBe(null)
  })
})

const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(i))
const net = graph('net', { x: float32('batch', 9, 9, 3) }, ({ x }) => {
  const wide = silu(nn.conv2d(x, { name: 'expand', filters: 20, kernel: 1, bias: true }))
  const deep = silu(nn.depthwiseConv2d(wide, { name: 'depthwise', kernel: 3, bias: true }))
  const narrow = add(x, nn.conv2d(deep, { name: 'project', filters: 3, kernel: 1, bias: true }))
  const last = relu6(nn.conv2d(narrow, { name: 'last', filters: 5, kernel: 3, strides: 2, bias: true }))
  return { y: mean(last, [1, 2]) }
})
const batch = 3
const feeds = { x: numbers(batch * 243) }

tensorflowOrSkip('kept filters on TensorFlow', () => {
  const compiled = (backend: Backend | 'reference') => compile(net, { backend, batch, seed: 1 })
  type Net = Awaited<ReturnType<typeof compiled>>
  const opened = async (options: TensorflowOptions) => {
    const backend = await createTensorflowBackend(options)
    const { keepsFilters } = await oneDnnAbilities(backend.device as TensorflowContext) // of this backend
    const { prototype } = TensorflowContext
    const [added, removed] = [vi.spyOn(prototype, 'addFunction'), vi.spyOn(prototype, 'removeFunction')]
    onTestFinished(() => void vi.restoreAllMocks())
    const ofKept = (names: readonly string[]) => names.filter((name) => /_kept\d+$/.test(name))
    return {
      backend,
      keepsFilters,
      made: () => ofKept(added.mock.calls.map(([{ signature }]) => signature?.name ?? '')),
      removed: () => ofKept(removed.mock.calls.map(([name]) => name)),
    }
  }
  const resultOf = async (ran: Net): Promise<Float32Array> => (await (await ran.run(feeds)).y.data()) as Float32Array
  const expectSame = async (got: Net, want: Net): Promise<void> => {
    const [a, b] = [await resultOf(got), await resultOf(want)]
    expect(a.length).toBe(batch * 5)
    a.forEach((y, i) => expect(Math.abs(y - (b[i] ?? Number.NaN))).toBeLessThan(1e-5))
  }

  test.each([
    ['one call', { interOpThreads: 1 }],
    ['three parts', { intraOpThreads: batch }],
  ])(
    'come after two runs, and change with the variables; each result is that of the present variables: %s',
    async (_, options) => {
      const { backend, keepsFilters, made, removed } = await opened(options)
      using want = await compiled('reference')
      {
        using got = await compiled(backend)
        const runs = async (count: number) => {
          for (let i = 0; i < count; i++) await expectSame(got, want)
        }
        const set = async (name: string, factor: number) => {
          const changed = (await want.variables.get(name)).map((w) => w * factor)
          for (const ran of [got, want]) await ran.variables.set(name, changed)
        }
        await runs(2)
        expect(made()).toHaveLength(0)
        await runs(2)
        expect(made()).toHaveLength(keepsFilters ? 1 : 0)
        await set('depthwise/kernel', -0.5)
        await runs(3) // the number of runs before the next form has doubled
        expect(made()).toHaveLength(keepsFilters ? 1 : 0)
        expect(removed()).toEqual(made())
        await runs(2)
        expect(made()).toHaveLength(keepsFilters ? 2 : 0)
        await set('last/bias', 3)
        await runs(1)
        await set('last/kernel', 2)
        await runs(1)
        await set('last/kernel', 1) // equal numbers in another tensor
        await runs(10)
        expect(made()).toHaveLength(keepsFilters ? 3 : 0)
      }
      await vi.waitFor(() => expect(removed()).toEqual(made()))
    },
  )

  test('a training step that shares the variables changes the results of the next run', async () => {
    const model = graph('model', { x: float32('batch', 9, 9, 3) }, ({ x }) => {
      const wide = relu6(nn.conv2d(x, { name: 'conv', filters: 4, kernel: 3, bias: true }))
      return { logits: mean(wide, [1, 2]) }
    })
    const step = trainingStep(model, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.5 }) })
    const all = async (on: 'reference' | 'tensorflow') => {
      using trainer = await compile(step, { backend: on, batch, seed: 1 })
      using ran = await compile(model, { backend: on, batch, variables: trainer.variables })
      const found: number[] = []
      for (const runs of [4, 1, 5]) {
        for (let i = 0; i < runs; i++) found.push(...((await (await ran.run(feeds)).logits.data()) as Float32Array))
        await trainer.run({ ...feeds, label: Int32Array.of(0, 3, 1) })
      }
      found.push(...((await (await ran.run(feeds)).logits.data()) as Float32Array))
      return found
    }
    const [got, want] = [await all('tensorflow'), await all('reference')]
    expect(got.length).toBe(11 * batch * 4)
    got.forEach((y, i) => expect(Math.abs(y - (want[i] ?? Number.NaN))).toBeLessThan(1e-4))
  })
})
