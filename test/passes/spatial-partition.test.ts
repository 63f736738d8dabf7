/** Images that are computed in parts of their rows: the same numbers on the reference, which nodes the parts have, and graphs that stay whole. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { efficientNet } from '../../src/index.ts'
import { costOf } from '../../src/ir/cost.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import { parse } from '../../src/ir/parse.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import type { Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import type { GraphPass } from '../../src/passes/pass.ts'
import { spatialPartition } from '../../src/passes/spatial-partition.ts'
import { toInference } from '../../src/passes/to-inference.ts'
import { anyGraph, graphOfCase, layerLists, networkOfLayers, opCases, verifyPass } from '../../src/testing/index.ts'

/** Partitions each graph that can be, and counts them. */
const partitioning = (parts: number) => {
  const counted = { graphs: 0 }
  const pass: GraphPass = {
    name: 'spatial-partition',
    summary: 'computes images in parts of their rows',
    phase: 'lower',
    preserves: 'rounding',
    run: (graph) => {
      const parted = spatialPartition(graph, parts, 0)
      if (parted !== null) counted.graphs++
      return parted ?? graph
    },
  }
  return { pass, counted }
}

const image = 'float32[1,12,5,4]'
const of = (nodes: string): Graph => parse(`graph g {\n%x = input() {name="x"} : ${image}\n${nodes}\n}`)
const kernel = '%k = variable() {name="k"} : float32[3,3,4,4]\n'
const conv = (y: string, x: string, attrs = 'padding="same"'): string =>
  `%${y} = conv2d(%${x}, %k) {${attrs}} : ${image}\n`

describe('spatialPartition() has the numbers of the whole graph', () => {
  /** Ops whose images, or whose reductions of images, are computed in parts. */
  const parted = (op: OpName): boolean =>
    (opDef(op).fusion === 'elementwise' && op !== 'oneHot') ||
    [
      ...['silu', 'conv2d', 'depthwiseConv2d', 'maxPool2d', 'avgPool2d', 'batchNormInference'],
      ...['concatenate', 'pad', 'slice', 'reverse', 'softmax', 'logSoftmax', 'mean', 'variance'],
      ...['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd', 'reduceAll', 'reduceAny'],
    ].includes(op)
  const cases = opNames.filter((op) => parted(op) && Object.hasOwn(opCases, op))

  test.each(cases)('%s', async (op) => {
    for (const parts of [2, 3]) {
      const { pass } = partitioning(parts)
      const graphs = opCases[op as keyof typeof opCases].map((drawn) => ({ graph: graphOfCase(drawn) }))
      expect((await verifyPass(pass, { graphs: graphs as never, runs: 60 })).failures).toEqual([])
    }
  })

  const flags = '%f = isFinite(%c) : bool[1,12,5,4]\n'
  const reductions = ['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd', 'mean', 'variance']
  test.each([
    ...['softmax', 'logSoftmax'].map((op) => [`${op} of channels`, `%y = ${op}(%c) {axis=3} : ${image}`]),
    ...['softmax', 'logSoftmax'].map((op) => [`${op} of rows`, `%y = ${op}(%c) {axis=1} : ${image}`]),
    ...reductions.flatMap((op) => [
      [`${op} of channels`, `%y = ${op}(%c) {axes=[3], keepDims=true} : float32[1,12,5,1]`],
      [`${op} of pixels`, `%y = ${op}(%c) {axes=[1,2], keepDims=false} : float32[1,4]`],
      [`${op} of rows`, `%y = ${op}(%c) {axes=[1], keepDims=true} : float32[1,1,5,4]`],
      [`${op} of everything`, `%y = ${op}(%c) {axes=[0,1,2,3], keepDims=false} : float32[]`],
    ]),
    ...['reduceAll', 'reduceAny'].flatMap((op) => [
      [`${op} of pixels`, `${flags}%y = ${op}(%f) {axes=[1,2], keepDims=false} : bool[1,4]`],
      [`${op} of channels`, `${flags}%y = ${op}(%f) {axes=[3], keepDims=true} : bool[1,12,5,1]`],
    ]),
    [
      'a slice of columns',
      '%y = slice(%c) {starts=[0,0,1,0], limits=[1,12,5,4], strides=[1,1,2,1]} : float32[1,12,2,4]',
    ],
    ['a slice of rows', '%y = slice(%c) {starts=[0,1,0,0], limits=[1,12,5,4], strides=[1,2,1,1]} : float32[1,6,5,4]'],
    [
      'a padding of columns',
      '%y = pad(%c) {low=[0,0,1,0], high=[0,0,2,1], interior=[0,0,1,0], value=3} : float32[1,12,12,5]',
    ],
    [
      'a padding of rows',
      '%y = pad(%c) {low=[0,1,0,0], high=[0,0,0,0], interior=[0,0,0,0], value=3} : float32[1,13,5,4]',
    ],
    ['a reverse of rows', `%y = reverse(%c) {axes=[1]} : ${image}`],
    ['a reverse of columns', `%y = reverse(%c) {axes=[2]} : ${image}`],
    ['two images joined by their channels', '%y = concatenate(%c, %x) {axis=3} : float32[1,12,5,8]'],
    ['two images joined by their rows', '%y = concatenate(%c, %x) {axis=1} : float32[1,24,5,4]'],
    [
      'repeated columns',
      '%s = reduceMax(%c) {axes=[2], keepDims=true} : float32[1,12,1,4]\n%y = broadcast(%s) {axes=[0,1,2,3], shape=[1,12,5,4]} : float32[1,12,5,4]',
    ],
    [
      'repeated rows',
      '%s = reduceMax(%c) {axes=[1], keepDims=true} : float32[1,1,5,4]\n%r = broadcast(%s) {axes=[0,1,2,3], shape=[1,12,5,4]} : float32[1,12,5,4]\n%y = mul(%c, %r) : float32[1,12,5,4]',
    ],
    [
      'an image as a filter',
      `%t = reshape(%c) {shape=[12,5,4,1]} : float32[12,5,4,1]\n%y = depthwiseConv2d(%x, %t) {padding="same"} : ${image}`,
    ],
  ])('%s', async (_, last) => {
    for (const parts of [2, 3, 5]) {
      const { pass, counted } = partitioning(parts)
      const graph = of(`${kernel}${conv('c', 'x')}${last}\nreturn y = %y`)
      expect((await verifyPass(pass, { graphs: fc.constant({ graph }) as never, runs: 3 })).failures).toEqual([])
      expect(counted.graphs).toBeGreaterThan(0)
    }
  })

  test.each([2, 3, 4])('random graphs in %i parts', async (parts) => {
    const { pass, counted } = partitioning(parts)
    const graphs = anyGraph({ effects: false, stepsMax: 24 })
    expect((await verifyPass(pass, { graphs, runs: 150 })).failures).toEqual([])
    expect(counted.graphs).toBeGreaterThan(20)
  })

  test.each([2, 3, 4, 5])('random networks in %i parts', async (parts) => {
    const { pass, counted } = partitioning(parts)
    const graphs = layerLists.map((layers) => ({ graph: networkOfLayers(layers).at({ batch: 2 }) }))
    const options = { graphs: graphs as never, after: [toInference], runs: 60 }
    expect((await verifyPass(pass, options)).failures).toEqual([])
    expect(counted.graphs).toBeGreaterThan(50)
  })
})

const ops = (graph: Graph | null, op: OpName) => (graph === null ? [] : liveOrder(graph)).filter((n) => n.op === op)
const rowsOf = (graph: Graph | null, op: OpName) => ops(graph, op).map(({ types }) => types[0]?.shape[1])

describe('the parts of a graph', () => {
  test('take the rows beside their edges from the image, and have padding at the edges of the image only', () => {
    const parted = spatialPartition(of(`${kernel}${conv('y', 'x')}return y = %y`), 3)
    expect(rowsOf(parted, 'slice')).toEqual([5, 6, 5])
    expect(ops(parted, 'conv2d').map((node) => (node.op === 'conv2d' ? node.attrs.padding : null))).toEqual([
      [
        [1, 0],
        [1, 1],
      ],
      [
        [0, 0],
        [1, 1],
      ],
      [
        [0, 1],
        [1, 1],
      ],
    ])
    expect(rowsOf(parted, 'concatenate')).toEqual([12])
  })

  test('exchange the rows of an image that takes long to compute', () => {
    const wide = 'float32[1,12,5,400]'
    const parted = spatialPartition(
      of(`%k = variable() {name="k"} : float32[1,1,4,400]\n%m = variable() {name="m"} : float32[1,1,400,4]\n%d = variable() {name="d"} : float32[3,3,4,4]
        %a = conv2d(%x, %k) : ${wide}\n%b = conv2d(%a, %m) : ${image}\n%y = conv2d(%b, %d) : ${image}\nreturn y = %y`),
      2,
    )
    expect(rowsOf(parted, 'conv2d')).toEqual([6, 6, 6, 6, 6, 6])
    expect(rowsOf(parted, 'concatenate')).toEqual([7, 7, 12])
  })

  test('compute the rows of an image again that takes long to copy', () => {
    const wide = 'float32[1,12,5,400]'
    const parted = spatialPartition(
      of(`%k = variable() {name="k"} : float32[1,1,4,400]\n%d = variable() {name="d"} : float32[3,3,400,1]
        %a = conv2d(%x, %k) : ${wide}\n%b = relu(%a) : ${wide}\n%y = depthwiseConv2d(%b, %d) : ${wide}\nreturn y = %y`),
      2,
    )
    expect(rowsOf(parted, 'conv2d')).toEqual([7, 7])
    expect(rowsOf(parted, 'relu')).toEqual([7, 7])
    expect(rowsOf(parted, 'concatenate')).toEqual([12])
  })

  test('reduce their own rows, and combine the results', () => {
    for (const [op, join] of [
      ['reduceSum', 'add'],
      ['reduceMax', 'maximum'],
      ['reduceMin', 'minimum'],
      ['mean', 'add'],
    ] as const) {
      const parted = spatialPartition(
        of(`${kernel}${conv('c', 'x')}%y = ${op}(%c) {axes=[1,2], keepDims=false} : float32[1,4]\nreturn y = %y`),
        4,
      )
      expect(ops(parted, join).length).toBeGreaterThanOrEqual(3)
      expect(ops(parted, 'concatenate')).toEqual([])
      expect(ops(parted, op === 'mean' ? 'reduceSum' : op).length).toBe(4)
    }
  })

  test('have repeated values of their own size', () => {
    const parted = spatialPartition(
      of(`${kernel}%v = variable() {name="v"} : float32[4]\n%r = broadcast(%v) {axes=[3], shape=[1,12,5,4]} : ${image}
        %t = constant() {value=2} : ${image}\n${conv('c', 'x')}%s = mul(%c, %t) : ${image}\n%y = add(%s, %r) : ${image}\nreturn y = %y`),
      2,
    )
    expect(rowsOf(parted, 'broadcast')).toEqual([6, 6])
    expect(rowsOf(parted, 'constant')).toEqual([6, 6])
  })

  test('of EfficientNet-B0 add less than half a percent of work, and all convolutions of several rows are in parts', () => {
    const graph = toInference.run(efficientNet('b0').at({ batch: 1 }), { report: () => {} } as never)
    const parted = spatialPartition(graph, 2) as Graph
    expect(verify(parted)).toEqual([])
    expect(costOf(parted).multiplyAdds / costOf(graph).multiplyAdds).toBeLessThan(1.005)
    const sizes = (of: Graph) =>
      [...rowsOf(of, 'conv2d'), ...rowsOf(of, 'depthwiseConv2d')].filter((rows = 0) => rows > 1)
    expect(sizes(parted).length).toBe(2 * sizes(graph).length)
    expect(Math.max(...sizes(graph).map(Number), 0)).toBe(112)
    expect(Math.max(...sizes(parted).map(Number), 0)).toBe(57)
    expect(parted.inputs).toEqual(graph.inputs)
    expect(parted.outputs.map(({ name }) => name)).toEqual(['logits', 'probabilities'])
  })
})

test.each([
  ['fewer rows than parts', `${kernel}${conv('y', 'x')}return y = %y`, 13],
  ['one part', `${kernel}${conv('y', 'x')}return y = %y`, 1],
  [
    'a window of padding only',
    `${kernel}%y = conv2d(%x, %k) {padding=[[3,0],[1,1]]} : float32[1,13,5,4]\nreturn y = %y`,
    2,
  ],
  ['an update', `${kernel}%v = variable() {name="v"} : float32[]\n${conv('y', 'x')}update %v = %v\nreturn y = %y`, 2],
  [
    'random numbers',
    `${kernel}%u = randomUniform() {shape=[1,12,5,4], stream="s"} : ${image}\n${conv('c', 'x')}%y = add(%c, %u) : ${image}\nreturn y = %y`,
    2,
  ],
  [
    'most work in a product',
    `${kernel}${conv('c', 'x')}%f = reshape(%c) {shape=[1,240]} : float32[1,240]\n%m = variable() {name="m"} : float32[240,999]
     %y = matmul(%f, %m) : float32[1,999]\nreturn y = %y`,
    2,
  ],
  ['no image', '%f = reshape(%x) {shape=[12,20]} : float32[12,20]\n%y = relu(%f) : float32[12,20]\nreturn y = %y', 2],
])('a graph with %s stays whole', (_, nodes, parts) => expect(spatialPartition(of(nodes), parts)).toBe(null))

test('a chain of 3,000 images is planned in little time', () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `%y${i} = relu(%${i === 0 ? 'x' : `y${i - 1}`}) : ${image}`)
  const parted = spatialPartition(of(`${lines.join('\n')}\nreturn y = %y2999`), 2, 0)
  expect(ops(parted, 'relu').length).toBe(6000)
})
