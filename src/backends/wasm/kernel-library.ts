/** The kernels of one executable: equal ones are one. */
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { defaultSchedule, smallSchedule } from '../codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../codegen/loops/merge-axes.ts'
import { type EmittedModule, emitModule } from './module.ts'

export interface KernelLibrary {
  /** The number of the kernel. `isRare`: it runs once for many runs of the program. */
  add(kernel: Kernel, isRare?: boolean): number
  /** By number. */
  readonly kernels: readonly Kernel[]
  /** One module of all of them. @throws EffuseError EF405 */
  emit(sharedMemory: boolean): EmittedModule
}

export const makeKernelLibrary = (): KernelLibrary => {
  const kernels: Kernel[] = []
  const numbers = new Map<string, number>()
  /** Kernels that run in each run of the program. */
  const frequent = new Set<number>()
  return {
    kernels,
    add: (kernel, isRare = false) => {
      const key = kernelKey(kernel)
      const number = numbers.get(key) ?? kernels.push(kernel) - 1
      numbers.set(key, number)
      if (!isRare) frequent.add(number)
      return number
    },
    emit: (sharedMemory) => {
      const scheduled = kernels.map((each, number) => {
        const kernel = mergeKernelAxes(each)
        const scheduleOf = frequent.has(number) ? defaultSchedule : smallSchedule
        return { kernel, schedules: kernel.phases.map(scheduleOf) }
      })
      return emitModule(scheduled, { sharedMemory })
    },
  }
}

/** Equal kernels have equal keys. JSON alone has no -0, and no infinities. */
const kernelKey = (kernel: Kernel): string =>
  JSON.stringify(kernel, (_, value: unknown) =>
    typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))
      ? `number ${Object.is(value, -0) ? '-0' : value}`
      : value,
  )
