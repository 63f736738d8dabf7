/** Regions for nodes that an edit adds. */
import { type Builder, region } from '../ir/build.ts'
import type { Edit } from '../ir/edit.ts'
import { sideTables } from '../ir/side-tables.ts'
import type { Graph, Type } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'

/** A region with ids of the edit's own and the constants of its graph. Written twice: how many ids it takes is known only afterwards. */
export const editRegion = (
  edit: Edit,
  name: string,
  operands: readonly Type[],
  body: (operands: readonly Value[], b: Builder) => readonly Value[],
): Graph => {
  const { constants } = sideTables(edit.base)
  const made = region(name, operands, body, 0, constants)
  const first = edit.reserveIds(made.nodes.length)
  return region(name, operands, body, first, constants)
}
