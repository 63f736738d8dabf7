/** Functions of a module with a memory, built by the encoder of kernels. */
import { encodeModule, FunctionBody, type Instruction, type ValueType } from '../../../src/backends/wasm/encoder.ts'

type Run = (...operands: (number | bigint)[]) => number | bigint

export const memory = new WebAssembly.Memory({ initial: 1 })

export const compiled = (
  params: readonly ValueType[],
  result: ValueType | null,
  build: (f: FunctionBody) => void,
): Run => {
  const body = new FunctionBody({ params, result }, true)
  build(body)
  const bytes = encodeModule({ functions: [['run', body]], sharedMemory: false, relaxedSimd: true })
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports['run'] as Run
}

/** A function that applies an instruction to its parameters. */
export const applying = (name: Instruction, params: readonly ValueType[], result: ValueType | null): Run =>
  compiled(params, result, (f) => {
    params.forEach((_, at) => f.get(at))
    f.op(name)
  })

export const loadVector = (f: FunctionBody, address: number): void => {
  f.i32(address)
  f.memory('v128.load')
}

export const bytesOf = (lanes: Int32Array | Float32Array | Int16Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(lanes.slice().buffer as ArrayBuffer)
