/** The text form of graphs and programs: printed random graphs, random sentences of the grammar, and damaged ones. */
import fc, { type Arbitrary } from 'fast-check'
import { opDef, opNames } from '../../../src/ir/ops/index.ts'
import { parse, parseAll } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import { dtypes } from '../../../src/ir/types.ts'
import { verify } from '../../../src/ir/verify.ts'
import { parseProgram, printProgram } from '../../../src/passes/program-text.ts'
import { opCases } from '../../../src/testing/cases/index.ts'
import { anyGraph } from '../../../src/testing/graphs.ts'
import { graphOfCase } from '../../../src/testing/op-case.ts'
import { damagedText } from '../mutations.ts'
import { type FuzzTarget, textFile, wrong } from '../target.ts'

/** Meaningful programs: every op with valid attributes, and graphs of many nodes with bodies and updates. */
const programs: Arbitrary<string> = fc.oneof(
  anyGraph({ stepsMax: 8 }).map(({ text }) => text),
  fc.oneof(...Object.values(opCases)).map((c) => print(graphOfCase(c))),
  fc
    .tuple(anyGraph({ stepsMax: 3 }), anyGraph({ stepsMax: 3 }), fc.constantFrom('', ' when stale', ' when "w" = 3'))
    .map(
      ([a, b, when]) =>
        `crossing "c" : float32[2]\nstep first${when}\n${a.text}step both = sum("c") after first before run\nstep run\n${b.text}`,
    ),
)

const number = fc.oneof(
  fc.integer({ min: -2, max: 5 }).map(String),
  fc.constantFrom('-0', '1e3', '1e400', '0.5', 'inf', '-inf', 'nan', '9007199254740992', '4294967296'),
)
const literal = fc.oneof(
  number,
  fc.constantFrom('true', 'null', '"same"', '"valid"', 'float32', '"x"', `#sha256:${'0'.repeat(64)}`, '[]', '{}', '%0'),
)
/** Values of attributes: nested lists and records, and bodies. */
const { value } = fc.letrec<{ value: string; list: string; record: string; body: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, literal, tie('list'), tie('record'), tie('body')),
  list: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
  record: fc
    .array(fc.tuple(fc.constantFrom('kind', 'name', '__proto__', 'nodes', 'sha256', '"a b"'), tie('value')), {
      maxLength: 3,
    })
    .map((entries) => `{${entries.map(([key, of]) => `${key}=${of}`).join(', ')}}`),
  body: fc.tuple(fc.nat(2), tie('value')).map(([inputs, of]) => {
    const names = Array.from({ length: inputs }, (_, i) => `%${i}: float32[2]`)
    return `(${names.join(', ')}) { %a = constant() {value=${of}} : float32[2] return %a }`
  }),
}))
const type = fc
  .tuple(fc.constantFrom(...dtypes), fc.array(number, { maxLength: 3 }))
  .map(([dtype, shape]) => `${dtype}[${shape.join(', ')}]`)

/** Sentences of the grammar without a meaning: any op, operands, attributes with valid names, and types. */
const statement = fc
  .record({
    op: fc.constantFrom(...opNames),
    operands: fc.array(fc.nat(4), { maxLength: 4 }),
    values: fc.array(value, { maxLength: 4 }),
    types: fc.array(type, { minLength: 1, maxLength: 3 }),
    path: fc.constantFrom('', ' @ a/b', ' @ "a b"'),
  })
  .map(({ op, operands, values, types, path }) => {
    const names = Object.keys(opDef(op).attrs)
    const attrs = values.slice(0, names.length).map((of, i) => `${names[i]}=${of}`)
    const ports = types.length === 1 ? '' : `:${types.length}`
    return `${ports} = ${op}(${operands.map((n) => `%${n}`).join(', ')}) {${attrs.join(', ')}} : ${types.join(', ')}${path}`
  })
const sentences = fc
  .tuple(fc.array(statement, { maxLength: 5 }), fc.nat(4), fc.boolean())
  .map(
    ([statements, result, isUpdated]) =>
      `graph g {\n  %0 = input() {name="x"} : float32[2]\n${statements.map((line, i) => `  %${i + 1}${line}\n`).join('')}${isUpdated ? '  update %0 = %1\n' : ''}  return y = %${result}\n}\n`,
  )

const words = [
  '{',
  '}',
  '(',
  '[',
  '%0',
  '%1',
  '%0.1',
  '@',
  ':',
  'graph',
  'return',
  'update',
  'step',
  'crossing',
  'float32',
  '"',
  '#sha256:',
]

export const graphText: FuzzTarget<string> = {
  name: 'graph-text',
  summary: 'graphs and programs in text',
  cases: damagedText(fc.oneof({ weight: 4, arbitrary: programs }, { weight: 1, arbitrary: sentences }), words),
  file: textFile,
  acceptedLeast: 0.4,
  attempt: (text) => {
    const program = parseProgram(text)
    const printed = printProgram(program)
    if (printProgram(parseProgram(printed)) !== printed) wrong(`it prints as what reads back differently:\n${printed}`)
    if (/^(step|crossing)\b/m.test(text)) return
    for (const graph of parseAll(text)) {
      const faults = verify(graph)
      if (faults.length > 0) wrong(`parsed, but ${faults.map(({ message }) => message).join('; ')}`)
      const once = print(graph)
      if (print(parse(once)) !== once) wrong(`it prints as what reads back differently:\n${once}`)
    }
  },
}
