import { text } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { EffuseError } from '../../diagnostics.ts'
import { declaredType } from './declared.ts'

export const inputDoc: OpDoc = {
  summary: 'A tensor fed at each run, by name; in a region, an operand by position.',
  constraints: ['C1: one declared type'],
  example: `graph example {
  %0 = input() {name="x"} : float32[2]
  return y = %0
}`,
}

export const input: OpDef<'input'> = {
  name: 'input',
  level: 'source',
  arity: 0,
  attrs: { name: text },
  infer: (_inputs, _attrs, declared) => declaredType(declared),
  evalRef: ({ attrs }) => {
    throw new EffuseError({ code: 'EF401', message: `input "${attrs.name}" was not fed` })
  },
  amp: [],
  fusion: 'source',
  tolerance: 'exact',
  cost: noCost,
}

export const inputVjp: OpVjp<'input'> = 'zero'
