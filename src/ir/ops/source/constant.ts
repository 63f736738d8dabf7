import { constantValue } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { declaredType } from './declared.ts'

export const constantDoc: OpDoc = {
  summary:
    'A literal: one number for all elements, the elements of a short literal, or the content hash of a long one.',
  constraints: [
    'C1: one declared type',
    'C2: a list has as many numbers as the type has elements',
    'C3: int32 and bool hold integers',
  ],
  example: `graph example {
  %0 = constant() {value=[1, 2.5]} : float32[2]
  return y = %0
}`,
}

export const constant: OpDef<'constant'> = {
  name: 'constant',
  level: 'source',
  arity: 0,
  attrs: { value: constantValue },
  infer: (_inputs, { value }, declared) => {
    const types = declaredType(declared)
    if (typeof types === 'string') return types
    const [type] = types
    if (Array.isArray(value) && value.length !== elements(type.shape))
      return `C2: ${elements(type.shape)} numbers are needed, got ${value.length}`
    const numbers = typeof value === 'number' ? [value] : Array.isArray(value) ? (value as readonly number[]) : []
    if (type.dtype === 'int32' && numbers.some((x) => x !== (x | 0))) return 'C3: int32 holds integers of 32 bits'
    if (type.dtype === 'bool' && numbers.some((x) => x !== 0 && x !== 1)) return 'C3: bool holds 0 and 1'
    return types
  },
  evalRef: ({ attrs: { value }, types: [type], cx }) => {
    if (typeof value === 'number') return [new Float64Array(elements(type.shape)).fill(value)]
    return ['sha256' in value ? cx.constant(value.sha256, type) : Float64Array.from(value)]
  },
  amp: [],
  fusion: 'source',
  tolerance: 'exact',
  cost: noCost,
}

export const constantVjp: OpVjp<'constant'> = 'zero'
