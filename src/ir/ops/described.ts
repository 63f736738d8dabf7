/** All that is known of an op in one record, for `effuse/compiler`. The compiler itself imports the tables of the parts. */
import type { AnyOpDef, OpDef, OpDoc } from '../op-def.ts'
import type { OpName } from '../signatures.ts'
import { opDocs } from './docs.ts'
import { opDefs, opNames } from './index.ts'

export type DescribedOp<K extends OpName> = OpDef<K> & OpDoc
/** A described op without the type of its name. */
export type AnyDescribedOp = AnyOpDef & OpDoc

export const describedOps = Object.fromEntries(
  opNames.map((name) => [name, { ...opDefs[name], ...opDocs[name] }]),
) as unknown as { readonly [K in OpName]: DescribedOp<K> } // fromEntries() does not keep which key has which value

/** What is known of an op, without the type of its name. */
export const describedOp = (op: OpName): AnyDescribedOp => describedOps[op] as unknown as AnyDescribedOp
