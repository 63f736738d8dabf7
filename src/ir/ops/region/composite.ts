import { oneOf, region, text, withDefault } from '../../attrs.ts'
import { ampAll, ampClasses, noCost, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { sideTables } from '../../side-tables.ts'
import { regionConstraints, regionTypes } from './shared.ts'

export const compositeDoc: OpDoc = {
  summary: "A user's own op: its body says what it computes, so that every backend can run it.",
  constraints: /* @__PURE__ */ regionConstraints.concat(
    'C5: the body depends on its operands alone: no random numbers, no op that means something else in training',
  ),
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = composite(%0) {body=(%0: float32[3]) {
    %1 = add(%0, %0) : float32[3]
    return %1
  }, name="double"} : float32[3]
  return y = %1
}`,
}

export const composite: CompositeDef<'composite'> = {
  name: 'composite',
  level: 'composite',
  arity: 'variadic',
  attrs: {
    name: text,
    body: region,
    amp: withDefault(oneOf(...ampClasses), 'infer'),
    tolerance: withDefault(oneOf('exact', 'rounding', 'transcendental', 'accumulation', 'composite'), 'composite'),
  },
  infer: (inputs, { body }) => {
    // CSE merges equal composites, and the passes that choose a mode do not change bodies.
    const barred = body.nodes.find((n) => n?.op === 'randomUniform' || n?.op === 'dropout' || n?.op === 'batchNorm')
    return barred === undefined || barred === null
      ? regionTypes(body, inputs)
      : `C5: the body contains ${barred.op}; apply it outside and pass its result in`
  },
  evalRef: ({ inputs, attrs: { body }, cx }) => cx.region(body, inputs).map((t) => t.data),
  decompose: ({ inputs, attrs: { body }, b }) => b.inline(body, inputs, sideTables(body).path),
  // Passes read the class from the attribute.
  amp: ampAll('infer'),
  fusion: 'composite',
  tolerance: 'composite',
  // cost.ts adds the cost of the body; here that would need a circular import.
  cost: noCost,
}

export const compositeVjp: OpVjp<'composite'> = 'by its body' // in passes/autodiff/reverse.ts
