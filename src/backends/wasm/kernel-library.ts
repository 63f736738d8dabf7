/** The kernels of one executable: equal ones are one. */
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { defaultSchedule } from '../codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../codegen/loops/merge-axes.ts'
import { type EmittedModule, emitModule } from './module.ts'

export interface KernelLibrary {
  /** The number of the kernel. */
  add(kernel: Kernel): number
  /** By number. */
  readonly kernels: readonly Kernel[]
  /** One module of all of them. @throws EffuseError EF405 */
  emit(sharedMemory: boolean): EmittedModule
}

export const makeKernelLibrary = (): KernelLibrary => {
  const kernels: Kernel[] = []
  const numbers = new Map<string, number>()
  return {
    kernels,
    add: (kernel) => {
      const key = kernelKey(kernel)
      const number = numbers.get(key) ?? kernels.push(kernel) - 1
      numbers.set(key, number)
      return number
    },
    emit: (sharedMemory) => {
      const scheduled = kernels.map((each) => {
        const kernel = mergeKernelAxes(each)
        return { kernel, schedules: kernel.phases.map(defaultSchedule) }
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
