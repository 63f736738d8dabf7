import type { OpDef } from '../../op-def.ts'
import type { SourceOps } from '../../signatures.ts'
import { constant } from './constant.ts'
import { input } from './input.ts'
import { iota } from './iota.ts'
import { randomUniform } from './random-uniform.ts'
import { variable } from './variable.ts'

/** Sources: ops without operands. */
export const sourceOps: { readonly [K in keyof SourceOps]: OpDef<K> } = {
  input,
  variable,
  constant,
  iota,
  randomUniform,
}
