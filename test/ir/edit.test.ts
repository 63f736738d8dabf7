/** Uses of a replaced value, compared with a rewrite of a list of lines that does not use the IR. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { Edit } from '../../src/ir/edit.ts'
import { nodeAt } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import type { Graph, Ref } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'

const valueNamed = (graph: Graph, name: string): Ref => {
  const value = graph.outputs.find((o) => o.name === name)?.value
  if (value === undefined) throw new Error(`no output ${name}`)
  return value
}

const chain = parse(`graph g {
  %x = input() {name="x"} : float32[2]
  %a = neg(%x) : float32[2]
  %b = exp(%a) : float32[2]
  %c = add(%a, %b) : float32[2]
  return a = %a, b = %b, c = %c
}`)

describe('replaceUses', () => {
  test('wrapping a value: the wrapper reads the value, and all other uses read the wrapper', () => {
    const edit = new Edit(chain, 'wrap')
    const a = valueNamed(chain, 'a')
    edit.replaceUses(a, edit.add('relu', [a], {}, nodeAt(chain, a.id)))
    const wrapped = edit.commit()
    expect(verify(wrapped)).toEqual([])
    expect(print(wrapped)).toMatchInlineSnapshot(`
      "graph g {
        %0 = input() {name="x"} : float32[2]
        %1 = neg(%0) : float32[2]
        %2 = relu(%1) : float32[2]
        %3 = exp(%2) : float32[2]
        %4 = add(%2, %3) : float32[2]
        return a = %2, b = %3, c = %4
      }
      "
    `)
  })

  test('if an old node contributes to the new value, it keeps its operands', () => {
    const edit = new Edit(chain, 'wrap by an old node')
    const [a, b] = [valueNamed(chain, 'a'), valueNamed(chain, 'b')]
    edit.replaceUses(a, edit.add('mul', [a, b], {}, nodeAt(chain, a.id)))
    const { outputs } = interpret(edit.commit(), { inputs: { x: [-1, -0] }, mode: 'float64' })
    expect(Array.from(outputs['b']?.data ?? [])).toEqual([Math.E, 1]) // exp(neg(x)), as before
    expect(Array.from(outputs['a']?.data ?? [])).toEqual([Math.E, 0]) // neg(x) * exp(neg(x))
    expect(Array.from(outputs['c']?.data ?? [])).toEqual([2 * Math.E, 1])
  })

  test('two values that wrap each other both read the original values', () => {
    const graph = parse(`graph g {
      %p = input() {name="p"} : float32[1]  %q = input() {name="q"} : float32[1]
      %a = neg(%p) : float32[1]  %b = neg(%q) : float32[1]
      return a = %a, b = %b
    }`)
    const [a, b] = [valueNamed(graph, 'a'), valueNamed(graph, 'b')]
    const edit = new Edit(graph, 'mix')
    const node = nodeAt(graph, a.id)
    edit.replaceUses(a, edit.add('sub', [a, b], {}, node))
    edit.replaceUses(b, edit.add('mul', [b, a], {}, node))
    const { outputs } = interpret(edit.commit(), { inputs: { p: [-3], q: [-5] } })
    expect([outputs['a']?.data[0], outputs['b']?.data[0]]).toEqual([3 - 5, 5 * 3])
  })

  test('added nodes read the replacements of other edits, in any order of planning', () => {
    const [a, b] = [valueNamed(chain, 'a'), valueNamed(chain, 'b')]
    const plans = [
      (e: Edit) => e.replaceUses(b, e.add('sin', [a], {}, nodeAt(chain, b.id))),
      (e: Edit) =>
        e.replaceUses(a, e.add('cos', [{ id: chain.inputs[0] as Ref['id'], port: 0 }], {}, nodeAt(chain, a.id))),
    ]
    const texts = [plans, plans.toReversed()].map((order) => {
      const edit = new Edit(chain, 'order')
      for (const plan of order) plan(edit)
      return print(edit.commit())
    })
    expect(texts[0]).toBe(texts[1])
    expect(texts[0]).toContain('%2 = sin(%1)')
  })

  test('wrapping twice wraps the current replacement', () => {
    const edit = new Edit(chain, 'twice')
    const a = valueNamed(chain, 'a')
    const node = nodeAt(chain, a.id)
    edit.replaceUses(a, edit.add('relu', [a], {}, node))
    const once = edit.resolve(a)
    edit.replaceUses(once, edit.add('abs', [once], {}, node))
    expect(print(edit.commit())).toContain('%2 = relu(%1) : float32[2]\n  %3 = abs(%2) : float32[2]\n  %4 = exp(%3)')
  })

  test('a cycle and a wrong type are reported', () => {
    const [a, b] = [valueNamed(chain, 'a'), valueNamed(chain, 'b')]
    const circle = new Edit(chain, 'circle')
    circle.replaceUses(a, b)
    circle.replaceUses(b, a)
    expect(() => circle.commit()).toThrow(
      expect.objectContaining({ code: 'EF303', message: expect.stringMatching(/^replacements form a circle/) }),
    )
    const edit = new Edit(chain, 'shape')
    const flat = edit.add('reshape', [a], { shape: [1, 2] }, nodeAt(chain, a.id))
    expect(() => edit.replaceUses(a, flat)).toThrow(
      expect.objectContaining({
        code: 'EF303',
        message: 'shape: a value float32[2] cannot be replaced by one that is float32[1,2]',
      }),
    )
  })

  test('the time for replacements does not depend on the length of chains', () => {
    const b = new Builder('long')
    let x = b.input('x', { dtype: 'float32', shape: [1] })
    const values = Array.from({ length: 20_000 }, () => (x = b.unary('neg', x)))
    const graph = b.finish({ x })
    const edit = new Edit(graph, 'long')
    const begun = performance.now()
    for (const [at, value] of values.entries())
      if (at >= 2) edit.replaceUses(value, edit.resolve(values[at - 2] as Ref))
    const from = edit.commit().outputs[0]?.value
    expect(from?.id).toBe(values[1]?.id)
    expect(performance.now() - begun).toBeLessThan(5_000) // quadratic time would be many times that
  })
})

/** A program as lines: line i reads earlier lines. Line 0 is the input. */
type Line = readonly [op: 'neg' | 'add' | 'mul', left: number, right: number]
/** The wrapped line, and another line that the wrapper also reads: f(v) = v * 2 + other. */
type Wrap = readonly [line: number, other: number]

const linesArb = fc
  .array(fc.tuple(fc.constantFrom('neg' as const, 'add' as const, 'mul' as const), fc.nat(99), fc.nat(99)), {
    minLength: 1,
    maxLength: 10,
  })
  .map((drawn) => drawn.map(([op, a, b], i): Line => [op, a % (i + 1), (op === 'neg' ? a : b) % (i + 1)]))

const compute = (op: Line[0], a: number, b: number): number => (op === 'neg' ? -a : op === 'add' ? a + b : a * b)

/**
 * The naive rewrite. Line i + 1 of the program is `lines[i]`; each wrap adds a line. A use of a wrapped line becomes the wrapper if the wrapper does
 * not depend on the user, checked by brute force over all lines that it reads, wrapped or not.
 */
const naive = (lines: readonly Line[], wraps: readonly Wrap[], input: number): readonly number[] => {
  const count = lines.length + 1
  const reads = (at: number): readonly number[] => {
    if (at >= count) return wraps[at - count] as Wrap
    const line = lines[at - 1]
    return line === undefined ? [] : [line[1], line[2]]
  }
  const wrapperOf = (line: number): number | undefined => {
    const found = wraps.findIndex(([wrapped]) => wrapped === line)
    return found < 0 ? undefined : count + found
  }
  const depends = (from: number, on: number, seen = new Set<number>()): boolean => {
    if (from === on) return true
    if (seen.has(from)) return false
    seen.add(from)
    return reads(from).some((r) => {
      const wrapper = wrapperOf(r)
      return depends(r, on, seen) || (wrapper !== undefined && depends(wrapper, on, seen))
    })
  }
  const valueAt = (at: number): number => {
    const use = (line: number): number => {
      const wrapper = wrapperOf(line)
      return valueAt(wrapper === undefined || depends(wrapper, at) ? line : wrapper)
    }
    if (at === 0) return input
    if (at >= count) {
      const [wrapped, other] = wraps[at - count] as Wrap
      return use(wrapped) * 2 + use(other)
    }
    const [op, a, b] = lines[at - 1] as Line
    return compute(op, use(a), use(b))
  }
  return Array.from({ length: count }, (_, line) => valueAt(wrapperOf(line) ?? line))
}

const wrapped = (lines: readonly Line[], wraps: readonly Wrap[], inReverse: boolean): Graph => {
  const b = new Builder('wraps')
  const values = [b.input('x', { dtype: 'float32', shape: [] })]
  for (const [op, left, right] of lines) {
    const [l, r] = [values[left], values[right]]
    if (l !== undefined && r !== undefined) values.push(op === 'neg' ? b.unary('neg', l) : b.binary(op, l, r))
  }
  const graph = b.finish(Object.fromEntries(values.map((value, line) => [`v${line}`, value])))
  const edit = new Edit(graph, 'wrap')
  for (const [line, other] of inReverse ? wraps.toReversed() : wraps) {
    const [value, beside] = [values[line] as Ref, values[other] as Ref]
    const emitter = edit.emitter(nodeAt(graph, value.id))
    const v = edit.value(value, emitter)
    edit.replaceUses(value, emitter.add(emitter.mul(v, 2), edit.value(beside, emitter)))
  }
  return edit.commit()
}

const check = (lines: readonly Line[], wraps: readonly Wrap[]): void => {
  for (const inReverse of [false, true]) {
    const graph = wrapped(lines, wraps, inReverse)
    expect(verify(graph)).toEqual([])
    const { outputs } = interpret(graph, { inputs: { x: [3] }, mode: 'float64' })
    expect(Object.values(outputs).map((t) => t.data[0])).toEqual(naive(lines, wraps, 3))
  }
}

describe('random wraps in random graphs', () => {
  const wrapsOf = (lines: readonly Line[], before: boolean) =>
    fc
      .uniqueArray(fc.tuple(fc.nat(lines.length), fc.nat(lines.length)), { selector: ([line]) => line, maxLength: 5 })
      .map((drawn) => drawn.map(([line, other]): Wrap => [line, before ? Math.min(line, other) : other]))
  test('wrappers of earlier values: equal to a rewrite of the text lines', () => {
    fc.assert(
      fc.property(
        linesArb.chain((lines) => fc.tuple(fc.constant(lines), wrapsOf(lines, true))),
        ([lines, wraps]) => {
          check(lines, wraps)
          // Here the rule is simple: insert the wrapper after its line, and rename all later uses.
          const values: number[] = [3]
          const wrapper = (line: number): void => {
            const wrap = wraps.find(([wrappedLine]) => wrappedLine === line)
            if (wrap === undefined) return
            const [own, other] = [values[line] as number, values[wrap[1]] as number]
            values[line] = own * 2 + other
          }
          wrapper(0)
          for (const [op, a, b] of lines) {
            values.push(compute(op, values[a] as number, values[b] as number))
            wrapper(values.length - 1)
          }
          expect(naive(lines, wraps, 3)).toEqual(values)
        },
      ),
      { numRuns: 300 },
    )
  })
  test('wrappers that also read later values stay acyclic and follow the rule', () => {
    fc.assert(
      fc.property(
        linesArb.chain((lines) => fc.tuple(fc.constant(lines), wrapsOf(lines, false))),
        ([lines, wraps]) => check(lines, wraps),
      ),
      { numRuns: 300 },
    )
  })
})
