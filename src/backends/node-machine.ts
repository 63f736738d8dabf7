/** What doctor() says of a machine with Node. */
import type { MachineReport, OptionalPackage } from './machine.ts'
import { findPackage } from './tensorflow/places.ts'
import { tensorflowReport } from './tensorflow/report.ts'

/**
 * The optional peers of package.json: what each is for, and its range. A test compares them. package.json itself cannot be read: a program may be one
 * bundle, with effuse in it.
 */
export const optionalPackages: { readonly [name: string]: readonly [use: string, range: string] } = {
  '@tensorflow/tfjs-core': ['the backends tfjs-*', '^4.22.0'],
  '@tensorflow/tfjs-backend-cpu': ['tfjs-cpu', '^4.22.0'],
  '@tensorflow/tfjs-backend-wasm': ['tfjs-wasm', '^4.22.0'],
  '@tensorflow/tfjs-backend-webgpu': ['tfjs-webgpu', '^4.22.0'],
  webgpu: ['tfjs-webgpu in Node', '>=0.4.0'],
  koffi: ['tensorflow', '^3.3.0'],
  '@tensorflow/tfjs-node': ['TensorBoard, peer of benchmarks', '^4.22.0'],
  '@tensorflow/tfjs-node-gpu': ['the same, on NVIDIA GPUs', '^4.22.0'],
  'onnxruntime-node': ['peer of benchmarks', '>=1.17'],
  sharp: ['pictures from files', '>=0.33'],
  mnist: ['the built-in digits', '>=1.1.0'],
  'fast-check': ['effuse/testing', '^4.0.0'],
}

export const machine = async (): Promise<MachineReport> => {
  const packages = Object.entries(optionalPackages).map(([name, [use, range]]): OptionalPackage => {
    const found = findPackage(name)
    return { name, use, range, version: found?.version ?? null, isProject: found?.isProject ?? true }
  })
  return { packages, tensorflow: await tensorflowReport() }
}
