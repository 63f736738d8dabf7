/** How the points of a phase are divided among the invocations of a shader. */
import { elements } from '../../../ir/types.ts'
import type { Phase } from '../../codegen/kernel/kernel.ts'

/** Each invocation computes a tile: adjacent points on one axis times adjacent points on another. */
export interface WgslSchedule {
  readonly rowAxis: number | null
  readonly rows: number
  readonly columnAxis: number | null
  readonly columns: number
  readonly workgroupSize: number
}

const onePoint: WgslSchedule = { rowAxis: null, rows: 1, columnAxis: null, columns: 1, workgroupSize: 64 }

/** Contractions use tiles of 4 x 4, so that each operand element is read for four results. All other phases compute one point per invocation. */
export const wgslScheduleOf = ({ axes, parallel, accumulators }: Phase): WgslSchedule => {
  const columnAxis = parallel - 1
  const isContraction = accumulators.some(({ factors }) => factors.length > 1)
  if (!isContraction || columnAxis < 1 || (axes[columnAxis] as number) < 4) return onePoint
  // The outer axis with the most points.
  const rowAxis = Array.from({ length: columnAxis }, (_, at) => at).reduce((best, at) =>
    (axes[at] as number) > (axes[best] as number) ? at : best,
  )
  if ((axes[rowAxis] as number) < 4) return { ...onePoint, columnAxis, columns: 4 }
  return { ...onePoint, rowAxis, rows: 4, columnAxis, columns: 4 }
}

/** The number of tiles along each parallel axis. */
export const tilesOf = ({ axes, parallel }: Phase, schedule: WgslSchedule): readonly number[] =>
  axes.slice(0, parallel).map((size, at) => {
    const { rowAxis, rows, columnAxis, columns } = schedule
    return Math.ceil(size / (at === rowAxis ? rows : at === columnAxis ? columns : 1))
  })

/** WebGPU allows at most 65,535 workgroups per dimension. More workgroups use a second dimension. */
export const workgroupsOf = (phase: Phase, schedule: WgslSchedule): readonly [number, number] => {
  const count = Math.ceil(elements(tilesOf(phase, schedule)) / schedule.workgroupSize)
  return count <= workgroupsMax ? [count, 1] : [workgroupsMax, Math.ceil(count / workgroupsMax)]
}

export const workgroupsMax = 65535
