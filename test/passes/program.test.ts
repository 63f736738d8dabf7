/** Programs as data: their text form, and the conditions on a whole program. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from '../../src/ir/parse.ts'
import {
  type Condition,
  graphStep,
  mapGraphs,
  type Program,
  programOf,
  replaceStep,
  type Step,
  traffic,
} from '../../src/passes/program.ts'
import { parseProgram, printProgram } from '../../src/passes/program-text.ts'
import { verifyProgram } from '../../src/passes/verify-program.ts'

const source = parse(
  'graph a { %x = input() {name="x"} : float32[2] %n = variable() {name="count"} : int32[] %one = constant() {value=[1]} : int32[] %m = add(%n, %one) : int32[] %y = neg(%x) : float32[2] update %n = %m return y = %y, sum = %y }',
)
const sink = parse(
  'graph b { %s = input() {name="sum"} : float32[2] %w = variable() {name="w"} : float32[2] %v = add(%w, %s) : float32[2] %n = variable() {name="count"} : int32[] %z = sub(%n, %n) : int32[] update %w = %v update %n = %z return total = %v }',
)
const sum = { name: 'sum', type: { dtype: 'float32', shape: [2] } } as const
const reduce: Step = {
  kind: 'collective',
  name: 'reduce',
  reduce: 'sum',
  values: ['sum'],
  after: 'micro',
  before: 'apply',
  when: { kind: 'always' },
}
const counted: Condition = { kind: 'counter', variable: 'count', value: 3 }
const steps: readonly Step[] = [graphStep('micro', source), reduce, graphStep('apply', sink, counted)]
const whole = programOf(steps, 'whole', [sum])

describe('text', () => {
  test('a graph alone is the program that runs it', () => {
    expect(printProgram(programOf(source))).toMatch(/^graph a \{/)
    expect(parseProgram(printProgram(programOf(source))).steps).toMatchObject([
      { name: 'run', when: { kind: 'always' } },
    ])
  })
  test('steps, conditions, collectives and crossing values', () => {
    const text = printProgram(whole)
    expect(text.split('\n').filter((line) => /^(step|crossing)/.test(line))).toEqual([
      'crossing "sum" : float32[2]',
      'step micro',
      'step reduce = sum("sum") after micro before apply',
      'step apply when "count" = 3',
    ])
    expect(printProgram(parseProgram(text))).toBe(text)
  })
  test('a program has the name of the graph that runs each time, or of its first graph', () => {
    const [first, main] = ['a', 'b'].map(
      (name) => `graph ${name} { %x = input() {name="x"} : float32[] return y = %x }\n`,
    )
    expect(parseProgram(`step prepare\n${first}step run\n${main}`).name).toBe('b')
    expect(parseProgram(`step prepare\n${first}step other\n${main}`).name).toBe('a')
  })
  test('print and parse restore every program', () => {
    const name = fc.stringMatching(/^[a-z][\w.-]{0,8}$/)
    const condition = fc.oneof(
      fc.constant<Condition>({ kind: 'always' }),
      fc.constant<Condition>({ kind: 'stale' }),
      fc.record({ kind: fc.constant('counter' as const), variable: fc.string(), value: fc.integer() }),
    )
    const step = fc.oneof(
      fc.tuple(name, condition).map(([n, when]): Step => graphStep(n, sink, when)),
      fc
        .record({ name, values: fc.array(fc.string()), after: name, before: name, when: condition })
        .chain((parts) =>
          fc.constantFrom('sum', 'and').map((kind): Step => ({ kind: 'collective', reduce: kind as 'sum', ...parts })),
        ),
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), fc.array(fc.string()), (drawn, names) => {
        const crossing = names.map((n) => ({ name: n, type: sum.type }))
        const program = programOf(drawn, 'b', crossing)
        const again = parseProgram(printProgram(program))
        const plain = ({ steps: all }: Program) =>
          all.map((s) => (s.kind === 'graph' ? { name: s.name, when: s.when } : s))
        expect(plain(again)).toEqual(plain(program))
        // A single graph that always runs cannot have crossing values, since nothing could read them.
        if (printProgram(program).startsWith('step') || names.length > 0)
          expect(printProgram(again)).toBe(printProgram(program))
      }),
    )
  })
  test.each([
    ['step a when never\ngraph g {\n  return\n}', '1:1: expected "step NAME"'],
    ['step a\nstep b\ngraph g {\n  return\n}', '1:1: expected one graph under this line, got 0'],
    ['graph g {\n  return\n}\nstep b\ngraph h {\n  return\n}', '1:1: a graph of a program must follow its line'],
    ['crossing x : float32[2]', '1:1: expected "crossing "NAME" : TYPE"'],
    ['step a\ngraph g {\n  return %0\n}', '3:10'],
    ['', 'expected a graph, got none'],
    ['step a when "\\q" = 4\ngraph g {\n  return\n}', '1:1: expected names of values in quotation marks'],
    ['crossing "\\q" : float32[2]', '1:1: expected names of values in quotation marks'],
    ['crossing "x" : float32[1,,2]', '1:1: expected "crossing "NAME" : TYPE"'],
    ['crossing "x" : float32[99999999999999999999]', '1:1: expected "crossing "NAME" : TYPE"'],
    ['step a when "n" = 4294967296\ngraph g {\n  return\n}', '1:1: expected a value of an int32 variable'],
  ])('%j is rejected', (text, message) => {
    expect(() => parseProgram(text)).toThrow(message)
  })
})

describe('invariants', () => {
  const faultOf = (program: Program): string => verifyProgram(program).join('; ')
  const changed = (at: number, change: object): Program =>
    programOf(
      steps.map((step, i) => (i === at ? ({ ...step, ...change } as Step) : step)),
      'whole',
      [sum],
    )
  const withStep = (name: string, text: string, at = steps.length): Program =>
    programOf([...steps.slice(0, at), graphStep(name, parse(text)), ...steps.slice(at)], 'whole', [sum])
  test('a program that is well-formed', () => expect(verifyProgram(whole)).toEqual([]))
  test.each<readonly [string, Program]>([
    ['two steps are called "micro"', changed(2, { name: 'micro' })],
    ['two crossing values are called "sum"', programOf(steps, 'whole', [sum, sum])],
    ['"sum" must be an output of one step, and is one of 0', programOf([steps[2] as Step], 'w', [sum])],
    ['reads the crossing value "sum" before a step writes it', programOf([...steps].reverse(), 'w', [sum])],
    [
      '"sum" is int32[2], and float32[2] in the step "micro"',
      programOf(steps, 'w', [{ name: 'sum', type: { dtype: 'int32', shape: [2] } }]),
    ],
    ['"reduce" starts after "nothing", which is not an earlier step', changed(1, { after: 'nothing' })],
    ['"reduce" is needed before "micro", which is not a later step', changed(1, { before: 'micro' })],
    ['"reduce" combines "x", which is not a crossing value', changed(1, { values: ['x'] })],
    ['"reduce" cannot form the and of "sum" float32[2]', changed(1, { reduce: 'and' })],
    [
      'waits for the variable "w", which is float32[2], not int32[]',
      changed(2, { when: { kind: 'counter', variable: 'w', value: 1 } }),
    ],
    [
      'waits for the variable "z", which no step has',
      changed(2, { when: { kind: 'counter', variable: 'z', value: 1 } }),
    ],
    [
      'waits until "count" is 0; counters begin at 0',
      changed(2, { when: { kind: 'counter', variable: 'count', value: 0 } }),
    ],
    [
      'waits until "count" is 4, and another step until it is 3',
      programOf([...steps, graphStep('log', parse('graph c { return }'), { ...counted, value: 4 } as Condition)], 'w', [
        sum,
      ]),
    ],
    [
      'the variable "count" is int32[] in the step "micro" and float32[2] in the step "log"',
      withStep('log', 'graph c { %n = variable() {name="count"} : float32[2] return z = %n }'),
    ],
    [
      'the input "x" is float32[2] in the step "micro" and int32[] in the step "log"',
      withStep('log', 'graph c { %x = input() {name="x"} : int32[] return z = %x }'),
    ],
    ['the name of the step "log it" has other characters', withStep('log it', 'graph c { return }')],
    [
      'the step "apply" reads the crossing value "sum", also when "micro" does not run',
      changed(0, { when: { ...counted, value: 2 } }),
    ],
    ['"reduce" combines "sum" twice', changed(1, { values: ['sum', 'sum'] })],
    [
      '"log" reads "sum" while "reduce" combines it',
      withStep('log', 'graph c { %s = input() {name="sum"} : float32[2] return z = %s }', 2),
    ],
    ['must have no inputs and no outputs', changed(2, { when: { kind: 'stale' } })],
  ])('%s', (message, program) => expect(faultOf(program)).toContain(message))
})

describe('a counter', () => {
  const step = (name: string, update: string, when?: Condition): Step =>
    graphStep(
      name,
      parse(`graph ${name} {
        %n = variable() {name="count"} : int32[]
        %k = variable() {name="other"} : int32[]
        %one = constant() {value=[1]} : int32[]
        %two = constant() {value=[2]} : int32[]
        %zero = constant() {value=[0]} : int32[]
        %minus = constant() {value=[-1]} : int32[]
        %next = ${update} : int32[]
        update %n = %next
        return
      }`),
      when,
    )
  const idle = (name: string, when?: Condition): Step => graphStep(name, parse(`graph ${name} { return }`), when)
  const add = step('micro', 'add(%n, %one)')
  const reset = step('apply', 'mul(%n, %zero)', counted)
  const faults = (...parts: readonly Step[]): readonly string[] => verifyProgram(programOf(parts, 'p'))

  test('increments by 1 and resets to 0, in any notation', () => {
    expect(faults(add, reset)).toEqual([])
    expect(faults(step('micro', 'sub(%n, %minus)'), step('apply', 'sub(%n, %n)', counted))).toEqual([])
    expect(faults(add, idle('log', counted), reset)).toEqual([])
  })
  test.each<readonly [string, readonly Step[]]>([
    ['"micro" must add 1 to the counter "count", and makes 2 of 0', [step('micro', 'add(%n, %two)'), reset]],
    ['"micro" must add 1 to the counter "count", and makes 1 of 1', [step('micro', 'maximum(%n, %one)'), reset]],
    ['makes something of it that depends on other values', [step('micro', 'add(%n, %k)'), reset]],
    ['what updates it before it is 3: "micro" and "again"', [add, step('again', 'add(%n, %one)'), reset]],
    ['what updates it before it is 3: none', [reset]],
    ['must set it back to 0, and what does: none', [add, idle('apply', counted)]],
    ['must set it back to 0, and what does: "apply" and "twice"', [add, reset, step('twice', 'sub(%n, %n)', counted)]],
    [
      '"apply" must set back to 0 the counter "count", and makes 2 of 3',
      [add, step('apply', 'sub(%n, %one)', counted)],
    ],
    ['"micro" adds to the counter "count" after "apply" has waited for it', [reset, add]],
    ['"log" waits for the counter "count", which "apply" sets back to 0 before', [add, reset, idle('log', counted)]],
  ])('%s', (message, parts) => expect(faults(...parts).join('; ')).toContain(message))
})

describe('derived variables', () => {
  const stale: Condition = { kind: 'stale' }
  const derive = (name: string, from: string, to: string): Step =>
    graphStep(
      name,
      parse(`graph ${name} {
        %a = variable() {name="${from}"} : float32[2]
        %b = variable() {name="${to}"} : float32[2]
        %c = neg(%a) : float32[2]
        update %b = %c
        return
      }`),
      stale,
    )
  const faults = (...parts: readonly Step[]): string => verifyProgram(programOf(parts, 'p')).join('; ')
  test('depend only on variables', () => {
    expect(faults(derive('one', 'w', 'd1'), derive('two', 'w', 'd2'))).toBe('')
  })
  test.each<readonly [string, readonly Step[]]>([
    [
      '"two" makes derived variables, and reads the derived variable "d1"',
      [derive('one', 'w', 'd1'), derive('two', 'd1', 'd2')],
    ],
    [
      '"one" makes derived variables, and reads the derived variable "d2"',
      [derive('one', 'd2', 'd1'), derive('two', 'd1', 'd2')],
    ],
  ])('not of one another: %s', (message, parts) => expect(faults(...parts)).toContain(message))
})

test('what a step reads and writes, and changes of steps', () => {
  expect(traffic(graphStep('micro', source), whole)).toEqual({
    variablesRead: ['count'],
    variablesWritten: ['count'],
    crossingRead: [],
    crossingWritten: ['sum'],
    feeds: ['x'],
    results: ['y'],
  })
  expect(mapGraphs(whole, (g) => g)).toBe(whole)
  expect(replaceStep(whole, 'reduce', []).steps.map(({ name }) => name)).toEqual(['micro', 'apply'])
})
