import type { OpDef, OpDoc } from '../../op-def.ts'
import type { SourceOps } from '../../signatures.ts'
import { constant, constantDoc } from './constant.ts'
import { input, inputDoc } from './input.ts'
import { iota, iotaDoc } from './iota.ts'
import { randomUniform, randomUniformDoc } from './random-uniform.ts'
import { variable, variableDoc } from './variable.ts'

/** Sources: ops without operands. */
export const sourceOps: { readonly [K in keyof SourceOps]: OpDef<K> } = {
  input,
  variable,
  constant,
  iota,
  randomUniform,
}

export const sourceDocs: { readonly [K in keyof SourceOps]: OpDoc } = {
  input: inputDoc,
  variable: variableDoc,
  constant: constantDoc,
  iota: iotaDoc,
  randomUniform: randomUniformDoc,
}
