/** The kernels of one executable. Equal kernels are stored once. */
import { exactJson } from '../../ir/exact-json.ts'
import type { Graph } from '../../ir/types.ts'
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { defaultSchedule } from '../codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../codegen/loops/merge-axes.ts'
import { type SizedPhase, sizedPhase } from '../codegen/loops/sized-loops.ts'
import { type LoweredBody, makeLowering } from './lowered-body.ts'
import {
  type EmitOptions,
  type EmittedModule,
  emitModules,
  type NumberedKernel,
  type PhaseCall,
  scheduledKernel,
} from './module.ts'

export interface KernelLibrary {
  /** Lowers a body, without adding its kernel to the library. @throws EffuseError EF405 */
  lower(body: Graph): LoweredBody
  /** Adds a kernel and returns its number. `isRare`: it runs rarely, for example once for many runs of the program. */
  add(kernel: Kernel, isRare?: boolean): number
  /** By number. */
  readonly kernels: readonly Kernel[]
  /** Emits all kernels but those of `shared`, in modules of a moderate size. Each is emitted when it is taken. @throws EffuseError EF405 */
  emit(options: EmitOptions): Iterable<EmittedModule>
  /** The kernels that call the functions of another kernel, after the last module was taken. */
  readonly shared: readonly SharedKernel[]
}

export interface SharedKernel {
  readonly number: number
  /** The kernel whose functions it calls. */
  readonly as: number
  readonly phases: readonly PhaseCall[]
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
  const shared: SharedKernel[] = []
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
    emit: (options) => emitModules(lowered(kernels, frequent, shared), options, moduleBytesMin),
    shared,
  }
}

/**
 * The kernels with their loops. Frequent kernels come first: they have most of the code, and the engine compiles it while the other kernels are emitted.
 * Of rare kernels with the same loops, the first one is among the results; the others are added to `shared`.
 */
function* lowered(
  kernels: readonly Kernel[],
  frequent: ReadonlySet<number>,
  shared: SharedKernel[],
): Generator<NumberedKernel> {
  const merged = (number: number): Kernel => mergeKernelAxes(kernels[number] as Kernel)
  const scheduled = (number: number, kernel: Kernel): NumberedKernel => ({
    number,
    ...scheduledKernel(kernel, kernel.phases.map(defaultSchedule)),
  })
  for (const number of frequent) yield scheduled(number, merged(number))
  const byLoops = new Map<string, number>()
  for (const number of kernels.keys()) {
    if (frequent.has(number)) continue
    const kernel = merged(number)
    const phases = sizedPhases(kernel)
    if (phases === null) {
      yield scheduled(number, kernel)
      continue
    }
    const key = `${kernel.buffers.map(({ dtype }) => dtype).join()} ${phases.map((phase) => phase.key).join()}`
    const as = byLoops.get(key)
    if (as !== undefined) {
      shared.push({ number, as, phases: phases.map(({ units, parameters }) => ({ units, parameters })) })
      continue
    }
    byLoops.set(key, number)
    yield { number, buffers: kernel.buffers, phases: phases.map((phase) => ({ ...phase, loops: phase.loops() })) }
  }
}

/** Null if a phase must have loops of its own. */
const sizedPhases = ({ phases }: Kernel): readonly SizedPhase[] | null => {
  const sized = phases.map(sizedPhase)
  return sized.every((phase) => phase !== null) ? sized : null
}

/** Different for most kernels, and much shorter than a kernel's text. */
const sizesOf = ({ buffers, phases }: Kernel): string =>
  `${buffers.map(({ role, shape }) => `${role} ${shape.join()}`).join()} ${phases.map(({ axes, exprs }) => `${exprs.length} ${axes.join()}`).join()}`
