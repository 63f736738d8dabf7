/** Nodes whose results cannot be computed in parts. */
import { opDef } from '../ir/ops/index.ts'
import type { Node } from '../ir/types.ts'

/** Random numbers would be the same in all parts, and bodies have nodes of their own. */
export const isOpaque = ({ op }: Node): boolean =>
  opDef(op).fusion === 'random' || ['model', 'region'].includes(opDef(op).level)
