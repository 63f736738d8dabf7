/** The list of a platform's backends. `#backends` resolves to the list for Node or for browsers. */
import type { Backend } from './backend.ts'

export interface Availability {
  readonly isAvailable: boolean
  /** The version or the device, or what is missing. */
  readonly detail: string
  /** The command or the step that adds the backend; null if it is available or cannot be added. */
  readonly fix: string | null
  /** If true, `auto` does not take it, because it is slower than later backends of the list. */
  readonly isByNameOnly?: boolean | undefined
}

/** The names of all backends, fastest first. A platform's list has those that can run there. */
export const runningNames = ['tensorflow', 'tfjs-webgpu', 'wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference'] as const
/** Names of planned backends. */
export const plannedNames = ['webgpu'] as const
export type EntryName = (typeof runningNames)[number] | (typeof plannedNames)[number]

/** The names that the option `backend` accepts: 'auto' is the fastest available one, 'tfjs' the fastest available one of tfjs. */
export const backendNames = ['auto', 'tfjs', ...runningNames, ...plannedNames] as const
export type BackendName = (typeof backendNames)[number]

export interface BackendEntry {
  readonly name: EntryName
  /** Describes the backend when `auto` takes it. */
  readonly summary: string
  /** Checks availability without side effects. */
  probe(): Promise<Availability>
  /** Called after probe() has found the backend. @throws EffuseError EF404 with the command that installs what is missing */
  open(): Promise<Backend>
}

/** Fastest first: `auto` takes the first that is available. */
export type BackendCatalog = readonly BackendEntry[]

/** Checks of doctor() instead of probe(). They may also start a device or send requests to a server. */
export type ThoroughProbes = { readonly [Name in EntryName]?: () => Promise<Availability> }
