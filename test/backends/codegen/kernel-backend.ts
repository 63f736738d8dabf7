/** Backends whose graphs run as kernels, so that the conformance tests of backends also test each level of code generation. */
import { type Backend, type HostArray, hostArrayOf } from '../../../src/backends/backend.ts'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel, type RandomNumbers } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { contextsOf } from '../../../src/backends/wasm/contexts.ts'
import { decodeHalf, encodeHalf } from '../../../src/backends/wasm/half-arrays.ts'
import { mathImports } from '../../../src/backends/wasm/math.ts'
import { widthOf } from '../../../src/backends/wasm/storage.ts'
import { emitModule, type LoweredKernel, scheduledKernel } from '../../../src/backends/wasm/module.ts'
import { interpretLoops } from '../../../src/backends/codegen/loops/interpret.ts'
import { sizedPhase } from '../../../src/backends/codegen/loops/sized-loops.ts'
import { plainSchedule, type Schedule, scheduleFault } from '../../../src/backends/codegen/loops/schedule.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { crossingTypes, runSteps } from '../../../src/backends/common/run-steps.ts'
import { makeVariableStore, type Memory } from '../../../src/backends/common/variable-store.ts'
import { namedUpdates, nodeAt } from '../../../src/ir/graph.ts'
import { opNames } from '../../../src/ir/ops/index.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { type RandomPosition, randomUniform } from '../../../src/ir/philox.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import { type DType, elements, type Half, nodeId, type Type } from '../../../src/ir/types.ts'
import { decomposeOps } from '../../../src/passes/decompose.ts'

const memory: Memory<HostArray> = {
  device: {},
  upload: (data) => data.slice(),
  download: (value) => Promise.resolve(value.slice()),
  free: () => {},
}

/** Runs a kernel, and returns the contents of all buffers after it. */
export type Machine = (
  kernel: Kernel,
  operands: ReadonlyMap<number, HostArray>,
  random: RandomNumbers,
  position?: Omit<RandomPosition, 'stream'>,
) => readonly ArrayLike<number>[]

/** Runs kernels with the kernel interpreter. */
export const kernels: Machine = interpretKernel

type ScheduleOf = (phase: Phase) => Schedule

/** The schedule if it is legal, otherwise the plain schedule. */
export const ifLegal =
  (schedule: Schedule): ScheduleOf =>
  (phase) =>
    scheduleFault(phase, schedule) === null ? schedule : plainSchedule

/** The ranges [first, end) of units that consecutive calls compute. The argument is the total number of units. */
type Division = (units: number) => readonly (readonly [first: number, end: number])[]

const undivided: Division = (units) => [[0, units]]

/** Runs kernels with the loop interpreter. */
export const loops = (scheduleOf: ScheduleOf, divide = undivided): Machine =>
  interpretedLoops((kernel) => scheduledKernel(kernel, kernel.phases.map(scheduleOf)), divide)

/** Runs these loops of kernels with the loop interpreter. */
export const interpretedLoops =
  (lower: (kernel: Kernel) => LoweredKernel, divide = undivided): Machine =>
  (kernel, operands, random) => {
    const { buffers, phases } = lower(kernel)
    const memory = buffers.map(({ shape, role, data }, at) => {
      const given = role === 'literal' ? data : operands.get(at)
      return given == null ? new Float64Array(elements(shape)).fill(Number.NaN) : Float64Array.from(given)
    })
    for (const { loops: nest, units, parameters } of phases)
      for (const range of divide(units)) interpretLoops(nest, buffers, memory, random, range, parameters)
    return memory
  }

/** Runs kernels as generated WebAssembly. It draws the random numbers of this position; `random` must belong to it. */
export const webAssembly = (
  scheduleOf: ScheduleOf = defaultSchedule,
  divide = undivided,
  relaxedSimd = false,
): Machine => emitted((kernel) => scheduledKernel(kernel, kernel.phases.map(scheduleOf)), divide, relaxedSimd)

/** A kernel with sizes as parameters; phases that must have loops of their own have the plain schedule. */
export const sized = (kernel: Kernel): LoweredKernel => {
  const own = scheduledKernel(
    kernel,
    kernel.phases.map(() => plainSchedule),
  )
  return {
    ...own,
    phases: kernel.phases.map((phase, i) => {
      const found = sizedPhase(phase)
      return found === null ? (own.phases[i] as LoweredKernel['phases'][number]) : { ...found, loops: found.loops() }
    }),
  }
}

/** Runs kernels as WebAssembly from these loops. */
export const emitted =
  (lower: (kernel: Kernel) => LoweredKernel, divide = undivided, relaxedSimd = false): Machine =>
  (kernel, operands, _random, position = { seed: 0, runIndex: 0, replica: 0 }) => {
    const { bytes, kernels } = emitModule([lower(kernel)], { sharedMemory: false, relaxedSimd })
    const contexts = contextsOf([0], kernels)
    const [{ phases }] = kernels as [(typeof kernels)[number]]
    let size = Math.max(16, contexts.bytes)
    const places = kernel.buffers.map(({ dtype, shape }) => {
      const at = size
      size += Math.ceil((elements(shape) * widthOf(dtype)) / 64) * 64
      return at
    })
    const scratch = size
    size += Math.max(0, ...phases.map(({ scratchBytes }) => scratchBytes))
    const memory = new WebAssembly.Memory({ initial: Math.ceil((size + 64) / 65536) })
    new Uint8Array(memory.buffer).set(contexts.at(position))
    kernel.buffers.forEach(({ dtype, role, data }, i) => {
      const given = role === 'literal' ? data : operands.get(i)
      if (given == null) return
      const view = viewOf(memory, dtype, places[i] as number, given.length)
      view.set(dtype === 'float16' || dtype === 'bfloat16' ? encodeHalf(dtype, Float32Array.from(given)) : given)
    })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory }, math: mathImports() })
    phases.forEach(({ name, units }, i) => {
      const call = instance.exports[name] as (...numbers: number[]) => void
      for (const range of divide(units)) call(...places, scratch, contexts.offsetOf(0, i), ...range)
    })
    return kernel.buffers.map(({ dtype, shape }, i) => {
      const view = viewOf(memory, dtype, places[i] as number, elements(shape))
      return view instanceof Uint16Array ? decodeHalf(dtype as Half, view) : view
    })
  }

const viewOf = ({ buffer }: WebAssembly.Memory, dtype: DType, at: number, length: number) => {
  switch (dtype) {
    case 'bool':
      return new Uint8Array(buffer, at, length)
    case 'int32':
      return new Int32Array(buffer, at, length)
    case 'float32':
      return new Float32Array(buffer, at, length)
    default:
      return new Uint16Array(buffer, at, length)
  }
}

export const kernelBackend = (machine: Machine = kernels, halfTypes = genericTarget.halfTypes): Backend<HostArray> => ({
  name: 'kernels',
  target: { ...genericTarget, name: 'kernels', halfTypes },
  device: memory.device,
  fingerprint: 'kernels',
  lost: new Promise(() => {}),
  legalize: [decomposeOps(opNames.filter((op) => opDef(op).decompose !== undefined || op === 'composite'))],
  fuse: [],
  createStore: () => makeVariableStore(memory),
  adopt: () => null,
  dispose: () => {},
  compile: (program, _store, { nameOf }) => {
    const crossing = crossingTypes(program)
    return Promise.resolve({
      run: async (turn, steps, feeds, at) => {
        const types = new Map<string, Type>()
        const results = await runSteps<HostArray>({
          program,
          steps,
          turn,
          at,
          memory,
          nameOf,
          runGraph: ({ graph }, operands) => {
            const { kernel, operands: places, results: made } = kernelOf(graph)
            verifyKernelData(kernel)
            const given = new Map<number, HostArray>()
            for (const [id, buffer] of places) {
              const node = nodeAt(graph, nodeId(id))
              if (node.op === 'variable') given.set(buffer, operands.variable(node.attrs.name))
              if (node.op !== 'input') continue
              const { name } = node.attrs
              const feed = feeds.get(name)
              if (crossing.has(name)) given.set(buffer, operands.crossing(name))
              else if (feed !== undefined) given.set(buffer, 'host' in feed ? feed.host : feed.tensor.native)
            }
            const random = (stream: string, element: number): number =>
              randomUniform({ ...at, stream, count: element + 1 })[element] as number
            const filled = machine(kernel, given, random, at)
            const named = (names: readonly string[], from: number): ReadonlyMap<string, HostArray> =>
              new Map(
                names.map((name, i) => {
                  const buffer = made[from + i] as number
                  const { dtype, shape } = kernel.buffers[buffer] as Type
                  types.set(name, { dtype, shape })
                  return [name, hostArrayOf(dtype, filled[buffer] as ArrayLike<number>)]
                }),
              )
            const updated = namedUpdates(graph).map(({ name }) => name)
            return {
              outputs: named(
                graph.outputs.map(({ name }) => name),
                0,
              ),
              updates: named(updated, graph.outputs.length),
            }
          },
        })
        return new Map(
          [...results].map(([name, native]) => {
            const type = types.get(name) as Type // runGraph has set it
            const tensor = {
              type,
              device: memory.device,
              native,
              read: () => Promise.resolve(native.slice()),
              share: () => tensor,
              dispose: () => {},
            }
            return [name, tensor]
          }),
        )
      },
      profile: () => Promise.resolve([]),
      plan: { kernels: 0, dispatches: 0, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
      dispose: () => {},
    })
  },
})
