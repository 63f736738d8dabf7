import { region, text } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { sideTables } from '../../side-tables.ts'
import { regionConstraints, regionTypes } from './shared.ts'

export const fusionDoc: OpDoc = {
  summary: 'One kernel: computes its body without intermediates in memory. Inputs by position, no captures.',
  constraints: regionConstraints,
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = fusion(%0) {body=(%0: float32[3]) {
    %1 = add(%0, %0) : float32[3]
    %2 = relu(%1) : float32[3]
    return %2
  }, kind="loop"} : float32[3]
  return y = %1
}`,
}

export const fusion: OpDef<'fusion'> = {
  name: 'fusion',
  level: 'region',
  arity: 'variadic',
  attrs: { kind: text, body: region },
  infer: (inputs, { body }) => regionTypes(body, inputs),
  evalRef: ({ inputs, attrs: { body }, cx }) => cx.region(body, inputs).map((t) => t.data),
  decompose: ({ inputs, attrs: { body }, b }) => b.inline(body, inputs, sideTables(body).path),
  amp: [],
  fusion: 'opaque',
  tolerance: 'composite',
  // cost.ts adds the cost of the body; here that would need a circular import.
  cost: noCost,
}

export const fusionVjp: OpVjp<'fusion'> = 'none' // fusion comes after differentiation
