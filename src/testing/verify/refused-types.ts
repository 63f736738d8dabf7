/** Which dtypes a backend refuses, and which graphs use them. */
import type { Backend } from '../../backends/backend.ts'
import { nodesOf } from '../../ir/graph.ts'
import type { DType, Graph } from '../../ir/types.ts'

export const refusedHalfTypes = ({ target }: Backend): readonly DType[] =>
  (['float16', 'bfloat16'] as const).filter((dtype) => !target.halfTypes.includes(dtype))

/** Whether one of the graphs has a value of one of the dtypes. */
export const useAny = (graphs: readonly Graph[], dtypes: ReadonlySet<DType>): boolean =>
  dtypes.size > 0 &&
  graphs.some((graph) => nodesOf(graph).some(({ types }) => types.some(({ dtype }) => dtypes.has(dtype))))
