/** The kernels of an executable: equal ones are stored once, and rare ones that differ in sizes only share their functions. */
import { expect, test } from 'vitest'
import { efficientNet } from '../../../src/models/efficientnet.ts'
import { createWasmBackend } from '../../../src/backends/wasm/index.ts'
import { compileStep } from '../../../src/backends/wasm/compile-step.ts'
import { contextsOf } from '../../../src/backends/wasm/contexts.ts'
import { compileKernels } from '../../../src/backends/wasm/compile-kernels.ts'
import { makeKernelLibrary } from '../../../src/backends/wasm/kernel-library.ts'
import { parse } from '../../../src/ir/parse.ts'
import { inferencePipeline } from '../../../src/passes/standard-pipelines.ts'
import { graphSteps, programOf } from '../../../src/passes/program.ts'
import { runPipeline } from '../../../src/passes/runner.ts'

const options = { sharedMemory: false, relaxedSimd: false }

const graphOf = (op: string, size: number) =>
  parse(`graph g { %x = input() {name="x"} : float32[${size}] %y = ${op}(%x) : float32[${size}] return y = %y }`)

/** Calls the first phase of a kernel on these numbers. */
const run = (
  { kernels, modules }: Awaited<ReturnType<typeof compileKernels>>,
  kernel: number,
  numbers: readonly number[],
): readonly number[] => {
  const found = kernels[kernel] as (typeof kernels)[number]
  const contexts = contextsOf([kernel], kernels)
  const memory = new WebAssembly.Memory({ initial: 1 })
  new Uint8Array(memory.buffer).set(contexts.at({ seed: 0, runIndex: 0, replica: 0 }), 64)
  new Float32Array(memory.buffer, 1024).set(numbers)
  const { exports } = new WebAssembly.Instance(modules[found.module] as WebAssembly.Module, { env: { memory } })
  const [{ name, units }] = found.phases as [(typeof found.phases)[number]]
  const call = exports[name] as (...args: number[]) => void
  call(1024, 4096, 0, 64 + contexts.offsetOf(kernel, 0), 0, units)
  return [...new Float32Array(memory.buffer, 4096, numbers.length)]
}

test('a step is not rare by default: its kernels have the code that runs fastest, not the shortest', async () => {
  const bytesOf = async (...isRare: readonly boolean[]): Promise<number> => {
    const library = makeKernelLibrary()
    compileStep(graphOf('exp', 4096), library, ...isRare)
    return [...library.emit(options)].reduce((sum, { bytes }) => sum + bytes.length, 0)
  }
  expect(await bytesOf()).toBe(await bytesOf(false))
  expect(await bytesOf()).toBeGreaterThan(await bytesOf(true))
})

test('rare kernels that differ in sizes only call the functions of the first one', async () => {
  const library = makeKernelLibrary()
  for (const size of [8, 5, 7]) compileStep(graphOf('neg', size), library, size !== 8)
  compileStep(graphOf('abs', 6), library, true)
  const compiled = await compileKernels(library, options, undefined)
  expect(library.shared.map(({ number, as }) => [number, as])).toEqual([[2, 1]])
  const names = compiled.kernels.map(({ phases }) => phases.map(({ name }) => name).join())
  expect(names).toEqual(['kernel0_phase0', 'kernel1_phase0', 'kernel1_phase0', 'kernel3_phase0'])
  const numbers = [1, -2, 3, -4, 5, -6, 7, -8]
  const sizes = [8, 5, 7, 6]
  sizes.forEach((size, kernel) => {
    const given = numbers.slice(0, size)
    expect(run(compiled, kernel, given)).toEqual(given.map(kernel === 3 ? Math.abs : (x) => -x))
  })
})

test('the kernels that fold and pack the weights of EfficientNet-B0 have few functions', async () => {
  const backend = await createWasmBackend()
  const { program } = runPipeline(
    inferencePipeline(backend, { simplify: true, fusion: true }),
    programOf(efficientNet('b0').at({ batch: 1 })),
    { target: backend.target },
  )
  const library = makeKernelLibrary()
  for (const { graph, when } of graphSteps(program)) compileStep(graph, library, when.kind === 'stale')
  await compileKernels(library, options, undefined)
  expect(library.kernels.length).toBeGreaterThan(115)
  expect(library.kernels.length - library.shared.length).toBeLessThan(52)
  await backend.dispose()
})
