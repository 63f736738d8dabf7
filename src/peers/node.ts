/** The peers of benchmarks in Node. Each one is imported when it is opened. */
import { EffuseError } from '../ir/diagnostics.ts'
import { type BenchPeer, peerNames, type PeerRequest } from './peer.ts'

/**
 * Opens a peer with the network, its initial values and the feeds.
 * @throws EffuseError EF404 (no such peer, or it is not installed: the hint is the command that adds it), EF405 (the peer cannot do this)
 */
export const benchPeer = async (name: string, request: PeerRequest): Promise<BenchPeer> => {
  const known = peerNames.find((peer) => peer === name)
  switch (known) {
    case undefined:
      throw new EffuseError({ code: 'EF404', message: `there is no peer "${name}"; there are ${peerNames.join(', ')}` })
    case 'onnxruntime':
      return (await import('./onnxruntime.ts')).openOnnxruntime(request)
    case 'pytorch':
    case 'tensorflow-python':
      return (await import('./python.ts')).openPython(known, request)
    default:
      return (await import('./tfjs.ts')).openByHand(known, request)
  }
}
