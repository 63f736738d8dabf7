/**
 * Of large regions that differ only in sizes, one is run: which regions count as equal except for sizes, and that a fault in any of them is detected.
 */
import { describe, expect, test } from 'vitest'
import { parse } from '../../src/ir/parse.ts'
import { checkRegions, type RegionCheck } from '../../src/passes/check-regions.ts'
import { sizeClass } from '../../src/passes/size-class.ts'

describe('class of sizes', () => {
  const isSame = (a: string, b: string): boolean => sizeClass(a) === sizeClass(b)
  test.each([
    ['other even sizes', 'relu(%0) : float32[1,8,8,32]', 'relu(%0) : float32[1,4,4,16]', true],
    [
      'sizes of an attribute',
      'reshape(%0) {shape=[6, 4]} : float32[6,4]',
      'reshape(%0) {shape=[8, 2]} : float32[8,2]',
      true,
    ],
    ['an odd size for an even one', 'relu(%0) : float32[8]', 'relu(%0) : float32[7]', false],
    ['1 for another size', 'relu(%0) : float32[1,8]', 'relu(%0) : float32[4,8]', false],
    ['equal sizes for different ones', 'matmul(%0, %1) : float32[8,8]', 'matmul(%0, %1) : float32[8,6]', false],
    ['another dtype', 'relu(%0) : float32[8]', 'relu(%0) : float16[8]', false],
    [
      'another attribute',
      'conv2d(%0, %1) {strides=[2, 2]} : float32[8]',
      'conv2d(%0, %1) {strides=[4, 4]} : float32[8]',
      false,
    ],
    ['another literal', 'constant() {value=0.25} : float32[]', 'constant() {value=0.5} : float32[]', false],
    [
      'a shape that does not follow',
      'reshape(%0) {shape=[6, 4]} : float32[6,4]',
      'reshape(%0) {shape=[8, 2]} : float32[2,8]',
      false,
    ],
  ])('%s', (_what, a, b, expected) => expect(isSame(a, b)).toBe(expected))
})

describe('large regions of the same ops', () => {
  /** Two chains of the same ops, on images of two sizes. */
  const two = (first: string, second: string) =>
    parse(`graph g {
      %a = input() {name="a"} : float32[1,96,96,64] %b = input() {name="b"} : float32[1,96,96,128]
      %p = sigmoid(%a) : float32[1,96,96,64] %q = sigmoid(%b) : float32[1,96,96,128]
      %y = ${first} : float32[1,96,96,64] %z = ${second} : float32[1,96,96,128]
      return y = %y, z = %z }`)
  const before = two('mul(%a, %p)', 'mul(%b, %q)')
  const check = (first: string, second: string): RegionCheck =>
    checkRegions(before, two(first, second), {
      isExact: false,
      mode: 'float64',
      guess: false,
      positive: new Set(),
      seed: 1,
    })

  test('the smaller one runs for both', () => {
    expect(check('mul(%p, %a)', 'mul(%q, %b)')).toMatchObject({ equal: 2, resized: 1, unjudged: [], difference: null })
  })
  test('a changed region is always run itself', () => {
    expect(check('mul(%p, %a)', 'mul(%b, %q)')).toMatchObject({ resized: 0, difference: null })
  })
  test.each([
    ['the smaller one', 'mul(%p, %p)', 'mul(%q, %b)'],
    ['the larger one', 'mul(%p, %a)', 'mul(%q, %q)'],
    ['both', 'mul(%p, %p)', 'mul(%q, %q)'],
  ])('a fault in %s is detected', (_which, first, second) => {
    expect(check(first, second).difference).toMatch(/at mul, for random operands of the changed part, y\[\d+\] was/)
  })
})
