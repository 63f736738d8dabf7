/** Peers of benchmarks need packages of their own and open in Node only; pages time themselves. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { BenchPeer, PeerRequest } from './peer.ts'

export const benchPeer = (name: string, _request: PeerRequest): Promise<BenchPeer> =>
  Promise.reject(new EffuseError({ code: 'EF404', message: `the peer "${name}" is there in Node only` }))
