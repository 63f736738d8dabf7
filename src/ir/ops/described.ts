/** All that is known of an op in one record, for `effuse/compiler`. The compiler itself imports the tables of the parts. */
import type { AnyOpDef, AnyOpVjp, OpDef, OpDoc, OpVjp } from '../op-def.ts'
import type { OpName } from '../signatures.ts'
import { opDocs } from './docs.ts'
import { opDefs, opNames } from './index.ts'
import { opVjps } from './vjps.ts'

export type DescribedOp<K extends OpName> = OpDef<K> & OpDoc & { readonly vjp: OpVjp<K> }
/** A described op without the type of its name. */
export type AnyDescribedOp = AnyOpDef & OpDoc & { readonly vjp: AnyOpVjp }

export const describedOps = Object.fromEntries(
  opNames.map((name) => [name, { ...opDefs[name], ...opDocs[name], vjp: opVjps[name] }]),
) as unknown as { readonly [K in OpName]: DescribedOp<K> } // fromEntries() does not keep which key has which value

/** What is known of an op, without the type of its name. */
export const describedOp = (op: OpName): AnyDescribedOp => describedOps[op] as unknown as AnyDescribedOp
