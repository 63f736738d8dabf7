/** Building graphs: checks at the call, and their errors. */
import { describe, expect, test } from 'vitest'
import { graph } from '../../src/ir/model.ts'
import { globFilter } from '../../src/ir/glob.ts'
import { nodesOf } from '../../src/ir/graph.ts'
import { print } from '../../src/ir/print.ts'
import { float32, int32 } from '../../src/ir/value.ts'

const image = { image: float32('batch', 4, 4, 2) }

describe('models', () => {
  test('at() builds for real sizes; the same size gives the same graph', () => {
    const model = graph('m', image, ({ image: x }) => ({ y: x.builder.neg(x) }))
    expect(model.at({ batch: 3 }).nodes[0]?.types[0]?.shape).toEqual([3, 4, 4, 2])
    expect(model.at({ batch: 3 })).toBe(model.at({ batch: 3 }))
    expect(model.outputs['y']).toMatchObject({ dtype: 'float32', rank: 4 })
  })
  test('a graph and its contents are frozen', () => {
    const built = graph('m', image, ({ image: x }) => ({ y: x.builder.neg(x) })).at({ batch: 1 })
    for (const part of [
      built,
      built.nodes,
      built.nodes[1],
      built.nodes[1]?.inputs,
      built.nodes[1]?.types[0]?.shape,
      built.outputs[0]?.value,
    ])
      expect(Object.isFrozen(part)).toBe(true)
  })
  test('paths nest and name variables; equal names denote one variable', () => {
    const built = graph('m', image, ({ image: x }, b) =>
      b.scope('a', () =>
        b.scope('b', () => {
          const w = b.variable('w', { shape: [2] })
          return { y: b.add(b.mul(x, w), b.variable('w', { shape: [2] })) }
        }),
      ),
    ).at({ batch: 1 })
    expect(
      nodesOf(built)
        .filter((n) => n.op === 'variable')
        .map((n) => n.op === 'variable' && n.attrs.name),
    ).toEqual(['a/b/w'])
    expect(nodesOf(built).at(-1)?.path).toBe('a/b')
  })
  test('numbers and smaller operands broadcast by explicit nodes', () => {
    const built = graph('m', { x: float32(2, 3), v: float32(3) }, ({ x, v }) => ({
      y: x.builder.add(x.builder.mul(x, v), 1),
    })).at({ batch: 1 })
    expect(print(built, { paths: false })).toMatchInlineSnapshot(`
      "graph m {
        %0 = input() {name="x"} : float32[2,3]
        %1 = input() {name="v"} : float32[3]
        %2 = broadcast(%1) {axes=[1], shape=[2, 3]} : float32[2,3]
        %3 = mul(%0, %2) : float32[2,3]
        %4 = constant() {value=1} : float32[2,3]
        %5 = add(%3, %4) : float32[2,3]
        return y = %5
      }
      "
    `)
  })
})

describe('mistakes appear at the call of graph()', () => {
  test('shapes: constraint, both types, model path, place of the call', () => {
    expect(() =>
      graph('bad', image, ({ image: x }, b) => ({
        y: b.scope('stem/conv', () => b.conv2d(x, b.variable('kernel', { shape: [3, 3, 5, 8] }))),
      })),
    ).toThrow(
      /^stem\/conv: conv2d: C3: input has 2 channels, kernel expects 5\n {2}operands: float32\[2,4,4,2\], float32\[3,3,5,8\]\n {2}built at .*build\.test\.ts:\d+:\d+$/,
    )
  })
  test.each([
    [
      'a size of zero',
      () => graph('m', { x: float32('batch', 0) }, ({ x }) => ({ x })),
      'EF111',
      /sizes must be positive integers/,
    ],
    [
      'an output that is no tensor',
      () => graph('m', image, () => ({ y: 3 as never })),
      'EF111',
      /the output "y" of m must be a tensor/,
    ],
    [
      'a value of another graph',
      () => {
        let kept: unknown
        graph('a', image, ({ image: x }) => {
          kept = x
          return { x }
        })
        return graph('b', image, ({ image: x }) => ({ y: x.builder.add(x, kept as typeof x) }))
      },
      'EF110',
      /a value of another graph is used in b/,
    ],
    [
      'a variable of two shapes',
      () =>
        graph('m', image, ({ image: x }, b) => ({
          y: b.add(b.mul(x, b.variable('w', { shape: [2] })), b.variable('w', { shape: [1] })),
        })),
      'EF107',
      /the variable "w" has the type float32\[2\] already, and is declared again as float32\[1\]/,
    ],
    [
      "a name that is effuse's own",
      () => graph('m', image, ({ image: x }, b) => ({ y: b.mul(x, b.variable('.prepared/0', { shape: [2] })) })),
      'EF111',
      /must not be empty nor start with a dot, got "\.prepared\/0"/,
    ],
    [
      'two updates',
      () =>
        graph('m', image, ({ image: x }, b) => {
          const w = b.variable('w', { shape: [] })
          b.update(w, b.constant(1))
          b.update(w, b.constant(2))
          return { x }
        }),
      'EF108',
      /"w" is updated twice/,
    ],
    [
      'an update of another type',
      () =>
        graph('m', image, ({ image: x }, b) => {
          b.update(b.variable('w', { shape: [2] }), b.constant(1))
          return { x }
        }),
      'EF108',
      /float32\[2\], its new value float32\[\]/,
    ],
    [
      'an update of no variable',
      () =>
        graph('m', image, ({ image: x }, b) => {
          b.update(x, x)
          return { x }
        }),
      'EF108',
      /only a variable can be updated, got the result of input/,
    ],
    [
      'shapes that do not broadcast',
      () => graph('m', { x: float32(2, 3), y: float32(2) }, ({ x, y }) => ({ z: x.builder.add(x, y) })),
      'EF101',
      /float32\[2,3\] and float32\[2\]/,
    ],
    [
      'dtypes that differ',
      () => graph('m', { x: float32(2), y: int32(2) }, ({ x, y }) => ({ z: x.builder.add(x, y) })),
      'EF101',
      /C2: operand dtypes differ: float32 and int32/,
    ],
    [
      'a batch of zero',
      () => graph('m', image, ({ image: x }) => ({ x })).at({ batch: 0 }),
      'EF111',
      /batch must be a positive integer/,
    ],
  ])('%s', (_name, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })
})

test('globs: * within a part, ** across, ! negates, the last match decides', () => {
  const pass = (globs: string | string[], names: string[]) => names.filter(globFilter(globs))
  const names = [
    'stem/conv/kernel',
    'blocks.1/se/reduce/kernel',
    'blocks.1/se/reduce/bias',
    'blocks.12/project/bn/scale',
  ]
  expect(pass('**', names)).toEqual(names)
  expect(pass('*', names)).toEqual([])
  expect(pass('blocks.*/se/*/kernel', names)).toEqual(['blocks.1/se/reduce/kernel'])
  expect(pass('blocks.?/**', names)).toEqual([])
  expect(pass(['blocks.*/**', '!**/bias'], names)).toEqual(['blocks.1/se/reduce/kernel', 'blocks.12/project/bn/scale'])
  expect(pass('!**/kernel', names)).toEqual(['blocks.1/se/reduce/bias', 'blocks.12/project/bn/scale'])
})
