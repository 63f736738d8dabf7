/** Modules of several kernels. */
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { emitModule, emitModules, type LoweredKernel, scheduledKernel } from '../../../src/backends/wasm/module.ts'
import { parse } from '../../../src/ir/parse.ts'

const scheduled = (op: string): LoweredKernel => {
  const { kernel } = kernelOf(
    parse(`graph g { %x = input() {name="x"} : float32[6] %y = ${op}(%x) : float32[6] return y = %y }`),
  )
  return scheduledKernel(kernel, kernel.phases.map(defaultSchedule))
}

test.each([false, true])(
  'a module has a function for each phase of each kernel (shared memory: %s)',
  (sharedMemory) => {
    const kernels = [scheduled('neg'), scheduled('sqrt')]
    const emitted = emitModule(kernels, { sharedMemory, relaxedSimd: false })
    expect(emitModule(kernels, { sharedMemory, relaxedSimd: false }).bytes).toEqual(emitted.bytes)
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: sharedMemory })
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(emitted.bytes), { env: { memory } })
    const floats = new Float32Array(memory.buffer)
    floats.set([1, 4, 9, 16, 25, 36], 64)
    for (const [at, { phases }] of emitted.kernels.entries())
      for (const { name, units } of phases)
        (exports[name] as (...numbers: number[]) => void)(256, 512 + at * 256, 0, 0, 0, units)
    expect([...floats.subarray(128, 134)]).toEqual([-1, -4, -9, -16, -25, -36])
    expect([...floats.subarray(192, 198)]).toEqual([1, 2, 3, 4, 5, 6])
  },
)

test('with a size for modules, each ends with the kernel that reaches it, and the functions are the same', () => {
  const options = { sharedMemory: false, relaxedSimd: false }
  const kernels = ['neg', 'exp', 'sqrt', 'sigmoid'].map(scheduled)
  const numbered = kernels.map((kernel, number) => ({ ...kernel, number }))
  const alone = kernels.map((kernel) => emitModule([kernel], options).bytes.length)
  const cases = [
    [1, 4],
    [10 * Math.max(...alone), 1],
  ] as const
  for (const [bytesMin, count] of cases) {
    const modules = [...emitModules(numbered, options, bytesMin)]
    expect(modules.flatMap((module) => module.kernels.map(({ number }) => number))).toEqual([0, 1, 2, 3])
    expect(modules.length).toBe(count)
    const memory = new WebAssembly.Memory({ initial: 1 })
    const floats = new Float32Array(memory.buffer)
    floats.set([1, 4, 9, 16, 25, 36], 64)
    const results = modules.flatMap(({ bytes, kernels: emitted }) => {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
      return emitted.map(({ number, phases }) => {
        for (const { name, units } of phases)
          (exports[name] as (...numbers: number[]) => void)(256, 512 + number * 256, 0, 0, 0, units)
        return [...floats.subarray(128 + number * 64, 134 + number * 64)]
      })
    })
    expect(results[0]).toEqual([-1, -4, -9, -16, -25, -36])
    expect(results[1]?.[0]).toBeCloseTo(Math.E, 5)
    expect(results[2]).toEqual([1, 2, 3, 4, 5, 6])
    expect(results[3]?.[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 5)
  }
})
