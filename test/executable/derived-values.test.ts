/** Names of derived values: equal for equal programs on the same variables, and only for them. */
import { expect, test } from 'vitest'
import { derivedValues } from '../../src/executable/derived-values.ts'
import { parse } from '../../src/ir/parse.ts'
import { fusion } from '../../src/passes/fusion/index.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { graphStep, type Program, programOf } from '../../src/passes/program.ts'
import { runPipeline } from '../../src/passes/runner.ts'

const t = 'float32[2,3]'
/** A program that makes one derived variable from the variables a and b. */
const programWith = (nodes: string, value: string, init = ''): Program =>
  programOf([
    graphStep(
      'prepare',
      parse(`graph prepare {
        %a = variable() {name="a"${init}} : ${t}
        %b = variable() {name="b"} : ${t}
        %d = variable() {name=".prepared/0"} : ${t}
        ${nodes}
        update %d = ${value}
        return
      }`),
      { kind: 'stale' },
    ),
  ])

const fused = (program: Program): Program => runPipeline(pipeline([fusion]), program, { stage: 'fused' }).program
const nameOf = (program: Program, prefix = ''): string => derivedValues(program, (name) => prefix + name)[0]?.name ?? ''

const difference = programWith(`%x = sub(%a, %b) : ${t}`, '%x')

test('the value has the name, the type and the sources of its program', () => {
  const [value, ...others] = derivedValues(difference, (name) => `store/${name}`)
  expect(others).toEqual([])
  expect(value).toMatchObject({ variable: '.prepared/0', sources: ['store/a', 'store/b'] })
  expect(value?.type).toEqual({ dtype: 'float32', shape: [2, 3] })
})

test('numbers of nodes, dead nodes, paths and initial values do not matter', () => {
  const dead = programWith(`%z = neg(%a) : ${t} %y = exp(%z) : ${t} %x = sub(%a, %b) : ${t} @ some/path`, '%x')
  const init = programWith(`%x = sub(%a, %b) : ${t}`, '%x', ', init={kind="ones"}, trainable=false')
  for (const [one, other] of [
    [difference, dead],
    [difference, init],
    [fused(difference), fused(dead)],
  ] as const)
    expect(nameOf(one)).toBe(nameOf(other))
})

const half = (value: string): string => `%h = constant() {value=${value}} : ${t} %x = add(%a, %h) : ${t}`
const others: readonly (readonly [string, string])[] = [
  [`%x = sub(%b, %a) : ${t}`, '%x'],
  [`%x = add(%a, %b) : ${t}`, '%x'],
  [`%x = sub(%a, %a) : ${t}`, '%x'],
  [`%y = sub(%a, %b) : ${t} %x = neg(%y) : ${t}`, '%x'],
  [half('0'), '%x'],
  [half('-0'), '%x'],
  [half('nan'), '%x'],
  [half('inf'), '%x'],
  [`%y = transpose(%a) {permutation=[1,0]} : float32[3,2] %x = reshape(%y) {shape=[2,3]} : ${t}`, '%x'],
  [`%x = reverse(%a) {axes=[0]} : ${t}`, '%x'],
  [`%x = reverse(%a) {axes=[1]} : ${t}`, '%x'],
]

test.each([
  ['as they are', (program: Program) => program],
  ['fused', fused],
] as const)('other ops, operands, attributes and literals give other names: %s', (_name, change) => {
  const names = [difference, ...others.map(([nodes, value]) => programWith(nodes, value))].map((p) => nameOf(change(p)))
  expect(new Set(names).size).toBe(names.length)
})

test('other variables of the store give other names', () => {
  expect(nameOf(difference, 'average/')).not.toBe(nameOf(difference))
})
