import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { SourceOps } from '../../signatures.ts'
import { constant, constantDoc, constantVjp } from './constant.ts'
import { input, inputDoc, inputVjp } from './input.ts'
import { iota, iotaDoc, iotaVjp } from './iota.ts'
import { randomUniform, randomUniformDoc, randomUniformVjp } from './random-uniform.ts'
import { variable, variableDoc, variableVjp } from './variable.ts'

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

export const sourceVjps: { readonly [K in keyof SourceOps]: OpVjp<K> } = {
  input: inputVjp,
  variable: variableVjp,
  constant: constantVjp,
  iota: iotaVjp,
  randomUniform: randomUniformVjp,
}
