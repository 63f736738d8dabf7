/** Backends whose graphs are kernels: whatever a backend is tested with tests a level of code generation. */
import { type Backend, type HostArray, hostArrayOf } from '../../../src/backends/backend.ts'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel, type RandomNumbers } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { emitModule } from '../../../src/backends/wasm/module.ts'
import { loopsOf } from '../../../src/backends/codegen/loops/from-kernel.ts'
import { interpretLoops } from '../../../src/backends/codegen/loops/interpret.ts'
import {
  defaultSchedule,
  plainSchedule,
  type Schedule,
  scheduleFault,
} from '../../../src/backends/codegen/loops/schedule.ts'
import { crossingTypes, runSteps } from '../../../src/backends/common/run-steps.ts'
import { makeVariableStore, type Memory } from '../../../src/backends/common/variable-store.ts'
import { nodeAt } from '../../../src/ir/graph.ts'
import { opNames } from '../../../src/ir/ops/index.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { randomUniform } from '../../../src/ir/philox.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import { elements, nodeId, type Type } from '../../../src/ir/types.ts'
import { decomposeOps } from '../../../src/passes/decompose.ts'

const memory: Memory<HostArray> = {
  device: {},
  upload: (data) => data.slice(),
  download: (value) => Promise.resolve(value.slice()),
  free: () => {},
}

/** Runs a kernel: all buffers after it. */
export type Machine = (
  kernel: Kernel,
  operands: ReadonlyMap<number, HostArray>,
  random: RandomNumbers,
) => readonly ArrayLike<number>[]

/** Interpreted as kernels. */
export const kernels: Machine = interpretKernel

type ScheduleOf = (phase: Phase) => Schedule

/** The schedule where it is legal, the plain one elsewhere. */
export const ifLegal =
  (schedule: Schedule): ScheduleOf =>
  (phase) =>
    scheduleFault(phase, schedule) === null ? schedule : plainSchedule

/** Interpreted as loops. */
export const loops =
  (scheduleOf: ScheduleOf): Machine =>
  ({ buffers, phases }, operands, random) => {
    const memory = buffers.map(({ shape, role, data }, at) => {
      const given = role === 'literal' ? data : operands.get(at)
      return given == null ? new Float64Array(elements(shape)).fill(Number.NaN) : Float64Array.from(given)
    })
    for (const phase of phases) interpretLoops(loopsOf(phase, scheduleOf(phase)), buffers, memory, random)
    return memory
  }

/** As generated WebAssembly. */
export const webAssembly =
  (scheduleOf: ScheduleOf = defaultSchedule): Machine =>
  (kernel, operands, random) => {
    const { bytes, kernels, hostFunctions } = emitModule([{ kernel, schedules: kernel.phases.map(scheduleOf) }], {
      sharedMemory: false,
    })
    const [{ phases, streams }] = kernels as [(typeof kernels)[number]]
    let size = 0
    const places = kernel.buffers.map(({ shape }) => {
      const at = size
      size += Math.ceil((elements(shape) * 4) / 16) * 16
      return at
    })
    const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 65536) })
    const views = kernel.buffers.map(({ dtype, shape }, i) => {
      const [at, length] = [places[i] as number, elements(shape)]
      if (dtype === 'bool') return new Uint8Array(memory.buffer, at, length)
      return dtype === 'int32' ? new Int32Array(memory.buffer, at, length) : new Float32Array(memory.buffer, at, length)
    })
    kernel.buffers.forEach(({ role, data }, i) => {
      const given = role === 'literal' ? data : operands.get(i)
      if (given != null) views[i]?.set(given)
    })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory, random: (stream: number, element: number) => random(streams[stream] as string, element) },
      host: hostFunctions,
    })
    for (const { name, units } of phases)
      (instance.exports[name] as (...numbers: number[]) => void)(...places, 0, 0, 0, units)
    return views
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
            const filled = machine(kernel, given, random)
            const named = (names: readonly string[], from: number): ReadonlyMap<string, HostArray> =>
              new Map(
                names.map((name, i) => {
                  const buffer = made[from + i] as number
                  const { dtype, shape } = kernel.buffers[buffer] as Type
                  types.set(name, { dtype, shape })
                  return [name, hostArrayOf(dtype, filled[buffer] as ArrayLike<number>)]
                }),
              )
            const updated = graph.updates.map(({ variable }) => {
              const node = nodeAt(graph, variable)
              return node.op === 'variable' ? node.attrs.name : ''
            })
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
            const type = types.get(name) as Type // set in runGraph
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
