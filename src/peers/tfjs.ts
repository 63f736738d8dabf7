/** The peers of benchmarks: a network or its training step, written by hand in tfjs, on one of tfjs's backends. */
import type * as Tf from '@tensorflow/tfjs-core'
import { EffuseError } from '../ir/diagnostics.ts'
import { initialValues } from '../ir/initializers.ts'
import type { Graph } from '../ir/types.ts'
import { hostArrayOf, type HostArray } from '../backends/backend.ts'
import type { BenchPeer, PeerName, PeerRequest } from './peer.ts'
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
export const openByHand = async (peer: PeerName, request: PeerRequest): Promise<BenchPeer> => {
  const tf = await importFor(peer, '@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'))
  if (peer === 'tfjs-webgpu') await provideWebgpu()
  await importFor(peer, `@tensorflow/${peer.replace('-', '-backend-')}`, packages[peer])
  const activate = activator(tf, peer)
  await activate()
  const { run, dispose } = await openNetwork(tf, request)
  return {
    run: async (feeds) => {
      await activate()
      return run(feeds)
    },
    dispose,
  }
}

const openNetwork = async (tf: typeof Tf, { graph, seed, training }: PeerRequest): Promise<BenchPeer> => {
  const variables = initialVariables(graph, seed)
  if (training !== null) {
    if (tf.getGradient('Add') === undefined) await loadTfjsGradients()
    const trainer = trainByHand(tf, { graph, seed, training, variables })
    return { run: (feeds) => trainer.step(feeds), dispose: () => trainer.dispose() }
  }
  const net = byHand(tf, graph, variables)
  return {
    run: async (feeds) => {
      await net.run(feeds as { readonly [name: string]: Float32Array }) // images are float32
      return null
    },
    dispose: () => net.dispose(),
  }
}

const packages: { readonly [P in PeerName]: () => Promise<unknown> } = {
  'tfjs-wasm': () => import('@tensorflow/tfjs-backend-wasm'),
  'tfjs-cpu': () => import('@tensorflow/tfjs-backend-cpu'),
  'tfjs-webgpu': () => import('@tensorflow/tfjs-backend-webgpu'),
}

const importFor = async <T>(peer: PeerName, name: string, load: () => Promise<T>): Promise<T> => {
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

const activator = (tf: typeof Tf, peer: PeerName): (() => Promise<void>) => {
  const backend = peer.slice('tfjs-'.length)
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
