/**
 * Backends that a browser bundle carries by itself. tfjs is not among them: its packages are the page's own, so that bundlers need no
 * peer installed; a page passes it, `compile(model, { backend: await createTfjsBackend() })` from `effuse/tfjs`.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import type { BackendCatalog, BenchPeer, PeerRequest } from './catalog.ts'
import { referenceEntry } from './reference/entry.ts'

export const catalog: BackendCatalog = [referenceEntry]

/** Peers bring packages of their own; pages time themselves. */
export const benchPeer = (name: string, _request: PeerRequest): Promise<BenchPeer> =>
  Promise.reject(new EffuseError({ code: 'EF404', message: `the peer "${name}" is there in Node only` }))
