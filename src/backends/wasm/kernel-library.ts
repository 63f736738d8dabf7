/** The kernels of one executable. Equal kernels are stored once. */
import { exactJson } from '../../ir/exact-json.ts'
import type { Graph } from '../../ir/types.ts'
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { defaultSchedule, smallSchedule } from '../codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../codegen/loops/merge-axes.ts'
import { type LoweredBody, makeLowering } from './lowered-body.ts'
import { type EmitOptions, type EmittedModule, emitModules, type NumberedKernel } from './module.ts'

export interface KernelLibrary {
  /** Lowers a body, without adding its kernel to the library. @throws EffuseError EF405 */
  lower(body: Graph): LoweredBody
  /** Adds a kernel and returns its number. `isRare`: it runs rarely, for example once for many runs of the program. */
  add(kernel: Kernel, isRare?: boolean): number
  /** By number. */
  readonly kernels: readonly Kernel[]
  /** Emits all kernels, in modules of a moderate size. Each is emitted when it is taken. @throws EffuseError EF405 */
  emit(options: EmitOptions): Iterable<EmittedModule>
}

/** Small enough that the last module, which nothing is emitted beside, compiles quickly. */
const moduleBytesMin = 16_384

export const makeKernelLibrary = (): KernelLibrary => {
  const kernels: Kernel[] = []
  /** The numbers of the kernels with the same sizes. */
  const bySizes = new Map<string, number[]>()
  const numberOf = new WeakMap<Kernel, number>()
  const texts = new WeakMap<Kernel, string>()
  const textOf = (kernel: Kernel): string => {
    const text = texts.get(kernel) ?? exactJson(kernel)
    texts.set(kernel, text)
    return text
  }
  /** The kernels that run in every run of the program. */
  const frequent = new Set<number>()
  const numbered = (kernel: Kernel): number => {
    const sizes = sizesOf(kernel)
    const alike = bySizes.get(sizes) ?? []
    const equal = alike.find((number) => textOf(kernels[number] as Kernel) === textOf(kernel))
    if (equal !== undefined) return equal
    const number = kernels.push(kernel) - 1
    bySizes.set(sizes, [...alike, number])
    return number
  }
  return {
    kernels,
    lower: makeLowering(),
    add: (kernel, isRare = false) => {
      const number = numberOf.get(kernel) ?? numbered(kernel)
      numberOf.set(kernel, number)
      if (!isRare) frequent.add(number)
      return number
    },
    emit: (options) => emitModules(scheduled(kernels, frequent), options, moduleBytesMin),
  }
}

/** Frequent kernels come first: they have most of the code, and the engine compiles it while the other kernels are emitted. */
function* scheduled(kernels: readonly Kernel[], frequent: ReadonlySet<number>): Generator<NumberedKernel> {
  const rare = [...kernels.keys()].filter((number) => !frequent.has(number))
  for (const number of [...frequent, ...rare]) {
    const kernel = mergeKernelAxes(kernels[number] as Kernel)
    const scheduleOf = frequent.has(number) ? defaultSchedule : smallSchedule
    yield { number, kernel, schedules: kernel.phases.map(scheduleOf) }
  }
}

/** Different for most kernels, and much shorter than a kernel's text. */
const sizesOf = ({ buffers, phases }: Kernel): string =>
  `${buffers.map(({ role, shape }) => `${role} ${shape.join()}`).join()} ${phases.map(({ axes, exprs }) => `${exprs.length} ${axes.join()}`).join()}`
