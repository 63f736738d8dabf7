/** Equal regions share the nodes of their bodies, and keep the paths and origins of their own nodes. */
import { expect, test } from 'vitest'
import { nodeAt, nodesOf } from '../../../src/ir/graph.ts'
import { parse } from '../../../src/ir/parse.ts'
import { hashBody } from '../../../src/ir/print.ts'
import { sideTables } from '../../../src/ir/side-tables.ts'
import { fused } from './networks.ts'
import { opsOf, originsIn, type Region, regionsOf } from './structure.ts'

const t = 'float32[1,32,32,64]'
/** Two layers with no value in common. */
const twoLayers = (first: string, second: string) =>
  parse(`graph g {
    %x = input() {name="x"} : ${t}
    %y = input() {name="y"} : ${t}
    %v = variable() {name="v"} : float32[1,1,64,64]
    %w = variable() {name="w"} : float32[1,1,64,64]
    %a = conv2d(%x, %v) : ${t} @ a/conv
    %b = conv2d(%y, %w) : ${t} @ b/conv
    %m = constant() {value=${first}} : ${t}
    %n = constant() {value=${second}} : ${t}
    %p = maximum(%a, %m) : ${t} @ a/clip
    %q = maximum(%b, %n) : ${t} @ b/clip
    return p = %p, q = %q
  }`)

const pathsIn = ({ attrs: { body } }: Region): readonly string[] =>
  nodesOf(body).map(({ id }) => sideTables(body).path(id))

test('equal regions share nodes, not paths and origins', () => {
  const before = twoLayers('0', '0')
  const regions = regionsOf(fused(before))
  expect(regions.map((region) => opsOf(region).map(({ op }) => op))).toEqual([
    ['conv2d', 'maximum'],
    ['conv2d', 'maximum'],
  ])
  const [a, b] = regions as [Region, Region]
  expect(a.attrs.body.nodes).toBe(b.attrs.body.nodes)
  expect(hashBody(a.attrs.body)).toBe(hashBody(b.attrs.body))
  expect(pathsIn(a)).toEqual(['', '', 'a/conv', '', 'a/clip'])
  expect(pathsIn(b)).toEqual(['', '', 'b/conv', '', 'b/clip'])
  for (const [region, layer] of [
    [a, 'a'],
    [b, 'b'],
  ] as const)
    expect(originsIn(region).map((id) => nodeAt(before, id).path)).toEqual([`${layer}/conv`, `${layer}/clip`])
})

test.each([
  ['0', '-0'],
  ['inf', '-inf'],
  ['nan', 'inf'],
  ['1', '2'],
])('regions with the literals %s and %s share nothing', (first, second) => {
  const [a, b] = regionsOf(fused(twoLayers(first, second))) as [Region, Region]
  expect(a.attrs.body.nodes).not.toBe(b.attrs.body.nodes)
  expect(hashBody(a.attrs.body)).not.toBe(hashBody(b.attrs.body))
})
