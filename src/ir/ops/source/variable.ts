import { custom, flag, isRecord, text, withDefault } from '../../attrs.ts'
import { EffuseError } from '../../diagnostics.ts'
import type { Initializer } from '../../initializers.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { declaredType } from './declared.ts'

export const variableDoc: OpDoc = {
  summary:
    'A tensor that lives between runs. Its value is the one at the start of the run; updates commit together at the end.',
  constraints: ['C1: one declared type', 'C2: one node per name (verifier)'],
  example: `graph example {
  %0 = variable() {name="w"} : float32[2]
  return y = %0
}`,
}

export const variable: OpDef<'variable'> = {
  name: 'variable',
  level: 'source',
  arity: 0,
  attrs: {
    name: text,
    trainable: withDefault(flag, true),
    init: withDefault(
      custom<Initializer>('an initialiser, {kind="zeros"}', (v) => isRecord(v) && typeof v['kind'] === 'string'),
      { kind: 'zeros' },
    ),
  },
  infer: (_inputs, _attrs, declared) => declaredType(declared),
  evalRef: ({ attrs }) => {
    throw new EffuseError({ code: 'EF407', message: `variable "${attrs.name}" has no value` })
  },
  amp: [],
  fusion: 'source',
  tolerance: 'exact',
  cost: noCost,
}

export const variableVjp: OpVjp<'variable'> = 'zero'
