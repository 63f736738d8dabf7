/** The kernels of one executable. Equal kernels are stored once. */
import { exactJson } from '../../ir/exact-json.ts'
import type { Graph } from '../../ir/types.ts'
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { defaultSchedule, smallSchedule } from '../codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../codegen/loops/merge-axes.ts'
import { type LoweredBody, makeLowering } from './lowered-body.ts'
import { type EmitOptions, type EmittedModule, emitModule } from './module.ts'

export interface KernelLibrary {
  /** Lowers a body, without adding its kernel to the library. @throws EffuseError EF405 */
  lower(body: Graph): LoweredBody
  /** Adds a kernel and returns its number. `isRare`: it runs rarely, for example once for many runs of the program. */
  add(kernel: Kernel, isRare?: boolean): number
  /** By number. */
  readonly kernels: readonly Kernel[]
  /** Emits one module with all kernels. @throws EffuseError EF405 */
  emit(options: EmitOptions): EmittedModule
}

export const makeKernelLibrary = (): KernelLibrary => {
  const kernels: Kernel[] = []
  const numbers = new Map<string, number>()
  const numberOf = new WeakMap<Kernel, number>()
  /** The kernels that run in every run of the program. */
  const frequent = new Set<number>()
  return {
    kernels,
    lower: makeLowering(),
    add: (kernel, isRare = false) => {
      const known = numberOf.get(kernel)
      const key = known === undefined ? exactJson(kernel) : ''
      const number = known ?? numbers.get(key) ?? kernels.push(kernel) - 1
      if (known === undefined) numbers.set(key, number)
      numberOf.set(kernel, number)
      if (!isRare) frequent.add(number)
      return number
    },
    emit: (options) => {
      const scheduled = kernels.map((each, number) => {
        const kernel = mergeKernelAxes(each)
        const scheduleOf = frequent.has(number) ? defaultSchedule : smallSchedule
        return { kernel, schedules: kernel.phases.map(scheduleOf) }
      })
      return emitModule(scheduled, options)
    },
  }
}
