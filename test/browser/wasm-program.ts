/** The program of the page of wasm.test.ts. */
import { doctor } from '../../src/inspect/index.ts'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { crossEntropy, sgd, trainingStep } from '../../src/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import type { WasmDevice } from '../../src/backends/wasm/runtime/device.ts'
import { conformance } from '../../src/testing/index.ts'
import { smallNet } from '../train/small-data.ts'

const page = {
  /** The losses of steps on the first pictures, the description of the backend, and what it cannot use here. */
  train: async (image: readonly number[], steps: number, workerUrl: string | undefined) => {
    const backend = await createWasmBackend({ workerUrl })
    const step = trainingStep(smallNet(), { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.05 }) })
    using net = await compile(step, { backend, batch: 3, seed: 3 })
    const losses: number[] = []
    for (let i = 0; i < steps; i++)
      losses.push((await read(await net.run({ image: Uint8Array.from(image), label: [0, 1, 2] }))).loss)
    const { backends } = await doctor()
    backend.dispose()
    const { notes } = backend.device as WasmDevice
    return { losses, fingerprint: backend.fingerprint, notes, doctor: backends.find(({ name }) => name === 'wasm') }
  },
  conformance: async (runs: number) => {
    const { failures, cases } = await conformance(await createWasmBackend(), { runs })
    return { failures: failures.map(({ name, error }) => `${name}: ${error}`), cases }
  },
}

declare global {
  var wasmPage: typeof page
}
globalThis.wasmPage = page
