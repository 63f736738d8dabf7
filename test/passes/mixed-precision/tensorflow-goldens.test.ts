/** Painting compared with TensorFlow's own rewrite: which type attribute of which node becomes half, and which tensors are cast. */
import { describe, expect, test } from 'vitest'
import { castsOf, paint, type Cast } from '../../../src/passes/mixed-precision/painting.ts'
import { graphsIn, readTensorFlow, versions, type TensorFlowGraph, type Version } from './tensorflow-graph.ts'

const files = [
  'conformance.json',
  'random.json.gz',
  'b0-inference.json.gz',
  'b4-inference.json.gz',
  'b0-training.json.gz',
  'b0-training-drops.json.gz',
]

const paintedAs = (source: TensorFlowGraph, version: Version) => {
  const { graph, tensors } = readTensorFlow(source, version)
  const assignment = paint(graph, { followAllow: version === '2.21.0' })
  return { graph, tensors, assignment, casts: castsOf(graph, assignment) }
}

/** The decisions of painting, in the notation of the goldens. */
const decided = (source: TensorFlowGraph, version: Version): TensorFlowGraph['decided'][Version] => {
  const { graph, tensors, assignment, casts } = paintedAs(source, version)
  const tensorOf = new Map(graph.edges.map((edge, i) => [edge, tensors[i]]))
  const half = graph.vertices.filter((v) => assignment[v.id] === true && !v.isHalf).map((v) => v.name)
  const spelt = casts.map(
    ({ edge, kind }: Cast) => `${tensorOf.get(edge)} -> ${kind === 'narrow' ? 'float16' : 'float32'}`,
  )
  return { half: half.sort(), casts: spelt.sort() }
}

describe.each(versions)('TensorFlow %s', (version) => {
  describe.each(files)('%s', (file) => {
    test.each(Object.entries(graphsIn(file)))('%s', (_name, source) => {
      expect(decided(source, version)).toEqual(source.decided[version])
    })
  })
})

test("the casts that TensorFlow's test suite expects", () => {
  const casts = Object.entries(graphsIn('conformance.json')).map(([name, { decided }]) => [
    name,
    decided['2.15.1'].casts.length,
  ])
  expect(Object.fromEntries(casts)).toMatchObject({
    'exp, relu, sqrt, relu, matmul, relu, log, relu, sparse matmul, relu': 2,
    'no allow op': 0,
    'already half': 0,
    'clear chain both ways': 3,
    'fetched nodes': 2,
    'conv, batch norm, its gradient, add, conv': 3,
    'existing cast': 1,
    'batched matmul': 2,
  })
})

test.each([
  ['b0-inference', { paid: 36, free: 114 }],
  ['b4-inference', { paid: 68, free: 225 }],
  // 114 for weights and 17 for scalar constants.
  ['b0-training', { paid: 184, free: 131 }],
])('casts of activations and gradients in %s, and of weights and constants', (name, expected) => {
  const [source] = Object.values(graphsIn(`${name}.json.gz`))
  if (source === undefined) throw new Error(`${name} holds no graph`)
  const { casts } = paintedAs(source, '2.15.1')
  const free = casts.filter((cast) => cast.isFree).length
  expect({ paid: casts.length - free, free }).toEqual(expected)
})
