/** ONNX Runtime on the CPU, on the file that effuse exports. For inference. */
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { exportOnnx } from '../export/onnx/export-onnx.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { inputTypes } from '../ir/graph.ts'
import type { BenchPeer, PeerRequest } from './peer.ts'

/** @throws EffuseError EF404 where the package is missing, EF405 for a training step and for ops that ONNX cannot express */
export const openOnnxruntime = async (request: PeerRequest): Promise<BenchPeer> => {
  const { model, graph, batch, seed, training, feeds, threads } = request
  if (training !== null)
    throw new EffuseError({
      code: 'EF405',
      message: 'ONNX Runtime cannot train: an ONNX file holds a network for inference',
    })
  const ort = await load()
  const bytes = await exportOnnx(model, { batch, seed })
  const start = performance.now()
  // One op at a time, as fast as the threads allow.
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const compileMs = performance.now() - start
  const fed = Object.fromEntries(
    [...inputTypes(graph)].map(([name, { dtype, shape }]) => {
      const data = feeds[name] ?? new Float32Array()
      return [name, new ort.Tensor(dtype === 'int32' ? 'int32' : 'float32', data, shape)]
    }),
  )
  const run = async (): Promise<InferenceSession.ReturnType> => session.run(fed)
  return {
    about: `effuse's ONNX file, ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common}`,
    compileMs,
    run: async () => {
      await run()
      return { loss: null }
    },
    outputs: async () => {
      const first = (await run())[graph.outputs[0]?.name ?? ''] as Tensor | undefined
      return first === undefined ? null : (first.data as Float32Array) // exported results are numbers
    },
    dispose: () => void session.release(),
  }
}

const load = async (): Promise<typeof import('onnxruntime-node')> => {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    throw new EffuseError({
      code: 'EF404',
      message: 'the peer "onnxruntime" needs the package onnxruntime-node, which is not installed',
      hint: 'npm install onnxruntime-node',
      cause,
    })
  }
}
