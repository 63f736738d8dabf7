/** The peers of benchmarks in Node. Each one is imported when it is opened. */
import { EffuseError } from '../ir/diagnostics.ts'
import { type BenchPeer, peerNames, type PeerRequest } from './peer.ts'

/** The network written by hand in tfjs, on 'tfjs-wasm', 'tfjs-cpu' or 'tfjs-webgpu'. @throws EffuseError EF404, EF405 (not supported there) */
export const benchPeer = async (name: string, request: PeerRequest): Promise<BenchPeer> => {
  const known = peerNames.find((peer) => peer === name)
  if (known === undefined)
    throw new EffuseError({ code: 'EF404', message: `there is no peer "${name}"; there are ${peerNames.join(', ')}` })
  const { openByHand } = await import('./tfjs.ts')
  return openByHand(known, request)
}
