/** What a platform offers to run programs on; `#backends` resolves to the list for Node or for browsers. */
import type { Backend } from './backend.ts'

export interface Availability {
  readonly isAvailable: boolean
  /** Version or device, or what is missing. */
  readonly detail: string
  /** The command or the step that adds it; null where it is there or cannot be added. */
  readonly fix: string | null
  /** Only who names it gets it: slower than what comes after it in the list. */
  readonly isByNameOnly?: boolean | undefined
}

/** Every backend by name, fastest first; a platform's list has those that can run there. */
export const runningNames = ['tensorflow', 'tfjs-webgpu', 'tfjs-wasm', 'tfjs-cpu', 'reference'] as const
/** Names for backends of later versions. */
export const plannedNames = ['wasm', 'webgpu'] as const
export type EntryName = (typeof runningNames)[number] | (typeof plannedNames)[number]

/** What the option `backend` takes: 'auto' is the fastest that is available, 'tfjs' the fastest of tfjs's. */
export const backendNames = ['auto', 'tfjs', ...runningNames, ...plannedNames] as const
export type BackendName = (typeof backendNames)[number]

export interface BackendEntry {
  readonly name: EntryName
  /** What `auto` says when it takes it. */
  readonly summary: string
  /** Looks without changing anything; where it is to be thorough also at what it would have to ask a server for. */
  probe(isThorough?: boolean): Promise<Availability>
  /** @throws EffuseError EF404 with the command that adds what is missing. */
  open(): Promise<Backend>
}

/** Fastest first: `auto` takes the first that is available. */
export type BackendCatalog = readonly BackendEntry[]
