/** The peers of benchmarks: a network or its training step, written by hand in tfjs, on one of tfjs's backends. */
import type * as Tf from '@tensorflow/tfjs-core'
import { EffuseError } from '../ir/diagnostics.ts'
import { initialValues } from '../ir/initializers.ts'
import type { Graph } from '../ir/types.ts'
import { hostArrayOf, type HostArray } from '../backends/backend.ts'
import type { BenchPeer, PeerRequest, TfjsPeerName } from './peer.ts'
import { importTfjsNode } from '../backends/tensorflow/tfjs-node.ts'
import { provideWebgpu } from '#platform'
import { byHand } from './inference.ts'
import { variableNodes } from './layers.ts'
import { loadTfjsGradients } from './tfjs-gradients.ts'
import { trainByHand } from './training.ts'

/**
 * Opens tfjs, activates the peer's backend for each run, and returns the network with the initial values of a seed.
 * @throws EffuseError EF404 if packages are missing or the backend does not start; EF405 if the code written by hand does not support an op or an
 * option, or if the backend lacks kernels for gradients.
 */
export const openByHand = async (peer: TfjsPeerName, request: PeerRequest): Promise<BenchPeer> => {
  const tf = await importFor(peer, '@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'))
  if (peer === 'tfjs-webgpu') await provideWebgpu()
  const library = await openBackend(peer)
  const activate = activator(tf, peer)
  await activate()
  const { run, outputs, dispose } = await openNetwork(tf, request)
  return {
    about: `by hand, tfjs ${tf.version_core}${library}`,
    compileMs: 0,
    run: async () => {
      await activate()
      return { loss: await run() }
    },
    outputs: async () => {
      await activate()
      return outputs()
    },
    dispose,
  }
}

/** Registers the backend; gives the version of the library that it calls. */
const openBackend = async (peer: TfjsPeerName): Promise<string> => {
  if (peer === 'tfjs-node') {
    const { version } = await importTfjsNode()
    return `, TensorFlow ${version['tensorflow'] ?? 'of tfjs-node'}`
  }
  await importFor(peer, `@tensorflow/${peer.replace('-', '-backend-')}`, packages[peer])
  return ''
}

interface Network {
  readonly run: () => Promise<number | null>
  readonly outputs: () => Promise<Float32Array | null>
  readonly dispose: () => void
}

const openNetwork = async (tf: typeof Tf, { graph, seed, training, feeds }: PeerRequest): Promise<Network> => {
  const variables = initialVariables(graph, seed)
  if (training !== null) {
    if (tf.getGradient('Add') === undefined) await loadTfjsGradients()
    const trainer = trainByHand(tf, { graph, seed, training, variables })
    return { run: () => trainer.step(feeds), outputs: () => Promise.resolve(null), dispose: () => trainer.dispose() }
  }
  const net = byHand(tf, graph, variables)
  const outputs = (): Promise<Float32Array> => net.run(feeds as { readonly [name: string]: Float32Array }) // images are float32
  return {
    run: async () => {
      await outputs()
      return null
    },
    outputs,
    dispose: () => net.dispose(),
  }
}

const packages: { readonly [P in Exclude<TfjsPeerName, 'tfjs-node'>]: () => Promise<unknown> } = {
  'tfjs-wasm': () => import('@tensorflow/tfjs-backend-wasm'),
  'tfjs-cpu': () => import('@tensorflow/tfjs-backend-cpu'),
  'tfjs-webgpu': () => import('@tensorflow/tfjs-backend-webgpu'),
}

const importFor = async <T>(peer: TfjsPeerName, name: string, load: () => Promise<T>): Promise<T> => {
  try {
    return await load()
  } catch (cause) {
    throw new EffuseError({
      code: 'EF404',
      message: `the peer "${peer}" needs the package ${name}, which is not installed`,
      hint: `npm install ${name}@4`,
      cause,
    })
  }
}

const activator = (tf: typeof Tf, peer: TfjsPeerName): (() => Promise<void>) => {
  const backend = peer === 'tfjs-node' ? 'tensorflow' : peer.slice('tfjs-'.length)
  return async () => {
    if (tf.getBackend() !== backend && !(await tf.setBackend(backend)))
      throw new EffuseError({ code: 'EF404', message: `${peer} does not start here` })
    await tf.ready()
    // The cpu backend prints a greeting at its first tensor.
    const instance = tf.backend()
    if ('firstUse' in instance) instance.firstUse = false
  }
}

const initialVariables = (graph: Graph, seed: number): ReadonlyMap<string, HostArray> =>
  new Map(
    variableNodes(graph).flatMap(({ attrs: { name, init }, types: [type] }) =>
      type === undefined
        ? []
        : [[name, hostArrayOf(type.dtype, initialValues(init, type.shape, { seed, name }))] as const],
    ),
  )
