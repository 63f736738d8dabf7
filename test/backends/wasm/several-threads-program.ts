/**
 * The program of several-threads.test.ts: three threads compile kernels with relaxed SIMD many times. It prints for each thread how many modules were
 * compiled.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { compileWasm } from '#platform'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { emitModule, scheduledKernel } from '../../../src/backends/wasm/module.ts'
import { hasRelaxedSimd } from '../../../src/backends/wasm/runtime/probe.ts'
import { parse } from '../../../src/ir/parse.ts'

const rounds = 1000

if (isMainThread) {
  for (let thread = 0; thread < 3; thread++)
    new Worker(new URL(import.meta.url)).on('message', (compiled: number) => console.log(`${compiled} of ${rounds}`))
} else {
  const { kernel } = kernelOf(
    parse(`graph g {
      %a = input() {name="a"} : float32[8,8] %b = input() {name="b"} : float32[8,8]
      %y = matmul(%a, %b) {transposeA=false, transposeB=false} : float32[8,8] return y = %y
    }`),
  )
  const relaxedSimd = await hasRelaxedSimd()
  const options = { sharedMemory: true, relaxedSimd }
  const { bytes } = emitModule([scheduledKernel(kernel, kernel.phases.map(defaultSchedule))], options)
  let compiled = 0
  for (let round = 0; round < rounds; round++) {
    if (relaxedSimd && (await compileWasm(bytes)) instanceof WebAssembly.Module) compiled++
    // Threads that pause differ in when their compilations begin and end.
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, round % 4))
  }
  parentPort?.postMessage(compiled)
}
