/** Peers of benchmarks need additional packages and open only in Node. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { BenchPeer, PeerRequest } from './peer.ts'

export const benchPeer = (name: string, _request: PeerRequest): Promise<BenchPeer> =>
  Promise.reject(new EffuseError({ code: 'EF404', message: `the peer "${name}" is available only in Node` }))
