/** The required fusions in EfficientNet: the published structure, counted by hand, and each pattern in its region. */
import { describe, expect, test } from 'vitest'
import { efficientNet } from '../../../src/index.ts'
import { liveOrder } from '../../../src/ir/graph.ts'
import type { Node } from '../../../src/ir/types.ts'
import { fused, preparedGraph, trainingOf } from './networks.ts'
import { opsOf, originsIn, type Region, regionsOf, structureFaults } from './structure.ts'

const b0 = preparedGraph(efficientNet('b0'), 1)
const after = fused(b0)
const regions = regionsOf(after)

/** The blocks of B0, from table 1 of the paper: one without expansion, then fifteen with expansion. */
const blocks = Array.from({ length: 16 }, (_, i) => `blocks.${i}`)
/** Blocks that keep the size and the channels add their input. */
const residual = [2, 4, 6, 7, 9, 10, 12, 13, 14].map((i) => `blocks.${i}`)

const nodesAt = (path: string, op: string): readonly Node[] =>
  liveOrder(b0).filter((node) => node.op === op && node.path === path)
const regionOf = (node: Node): Region => {
  const found = regions.filter((region) => originsIn(region).includes(node.id))
  expect(found, `${node.op} at ${node.path} is in one region`).toHaveLength(1)
  return found[0] as Region
}
const only = (path: string, op: string): Node => {
  const found = nodesAt(path, op)
  expect(found, `${op} at ${path}`).toHaveLength(1)
  return found[0] as Node
}

describe('inference of B0 at 224', () => {
  test('has 4 kernels per block with expansion, 3 without, and one each for stem, head and classifier', () => {
    expect(structureFaults(b0, after)).toEqual([])
    expect(regions).toHaveLength(15 * 4 + 3 + 3)
  })
  test('consists of regions only', () => {
    const ops = new Set(liveOrder(after).map(({ op }) => op))
    expect([...ops].toSorted()).toEqual(['fusion', 'input', 'variable'])
  })

  test('stem: normalization of the image before the convolution', () => {
    const region = regionOf(only('stem/conv', 'conv2d'))
    expect(regionOf(only('normalize', 'sub'))).toBe(region)
    expect(regionOf(only('normalize', 'mul'))).toBe(region)
    expect(regionOf(only('stem', 'sigmoid'))).toBe(region)
  })

  test.each(blocks.slice(1))('%s/expand: convolution, bias and swish', (block) => {
    const region = regionOf(only(`${block}/expand/conv`, 'conv2d'))
    expect(region.attrs.kind).toBe('contraction')
    expect(regionOf(only(`${block}/expand`, 'sigmoid'))).toBe(region)
    expect(regionOf(only(`${block}/expand`, 'mul'))).toBe(region)
    expect(opsOf(region).map(({ op }) => op)).toEqual(['conv2d', 'broadcast', 'add', 'sigmoid', 'mul'])
    expect(region.types).toHaveLength(1)
  })

  test.each(blocks)('%s/depthwise: convolution, bias, swish and the sums of the squeeze, with two results', (block) => {
    const region = regionOf(only(`${block}/depthwise/conv`, 'depthwiseConv2d'))
    expect(region.attrs.kind).toBe('depthwise')
    expect(regionOf(only(`${block}/depthwise`, 'mul'))).toBe(region)
    expect(regionOf(only(`${block}/se`, 'reduceSum'))).toBe(region)
    const rank = region.types.map(({ shape }) => shape.length)
    expect(rank.toSorted()).toEqual([2, 4])
  })

  test.each(blocks)('%s/se: both convolutions, swish and sigmoid', (block) => {
    const region = regionOf(only(`${block}/se/reduce`, 'conv2d'))
    expect(region.attrs.kind).toBe('contraction')
    expect(regionOf(only(`${block}/se/expand`, 'conv2d'))).toBe(region)
    expect(opsOf(region).filter(({ op }) => op === 'sigmoid')).toHaveLength(2)
    expect(region.types).toHaveLength(1)
  })

  test.each(blocks)('%s/project: the gate as prologue, bias and residual as epilogue', (block) => {
    const region = regionOf(only(`${block}/project/conv`, 'conv2d'))
    const gate = nodesAt(`${block}/se`, 'mul').find(
      ({ types }) => types[0]?.shape.length === 4 && types[0].shape[1] !== 1,
    )
    expect(regionOf(gate as Node)).toBe(region)
    const adds = opsOf(region).filter(({ op }) => op === 'add')
    expect(adds).toHaveLength(residual.includes(block) ? 2 : 1)
    if (residual.includes(block)) expect(regionOf(only(block, 'add'))).toBe(region)
    expect(region.types).toHaveLength(1)
  })

  test('head: convolution, swish and the sums of the mean, whose input is not stored', () => {
    const region = regionOf(only('head/conv', 'conv2d'))
    expect(regionOf(only('head', 'sigmoid'))).toBe(region)
    expect(opsOf(region).some(({ op }) => op === 'reduceSum')).toBe(true)
    expect(region.types.map(({ shape }) => shape)).toEqual([[1, 1280]])
  })

  test('the classifier ends with its softmax', () => {
    const region = regionOf(only('head/dense', 'matmul'))
    for (const op of ['reduceMax', 'exp', 'div']) expect(regionOf(only('head', op))).toBe(region)
  })
})

test('a training step of B0 fuses into valid regions', () => {
  const before = preparedGraph(trainingOf('b0'), 8)
  const step = fused(before)
  expect(structureFaults(before, step)).toEqual([])
  expect(new Set(liveOrder(step).map(({ op }) => op))).not.toContain('conv2d')
  const nodes = liveOrder(before).filter(({ inputs }) => inputs.length > 0).length
  expect(regionsOf(step).length).toBeLessThan(nodes / 8)
})
