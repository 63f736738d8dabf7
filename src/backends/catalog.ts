/** What a platform offers to run programs on; `#backends` resolves to the list for Node or for browsers. */
import type { Backend } from './backend.ts'

export interface Availability {
  readonly isAvailable: boolean
  /** Version or device, or what is missing. */
  readonly detail: string
  /** The command or the step that adds it; null where it is there or cannot be added. */
  readonly fix: string | null
}

export interface BackendEntry {
  readonly name: string
  /** What `auto` says when it takes it. */
  readonly summary: string
  /** Looks without changing anything; where it is to be thorough also at what it would have to ask a server for. */
  probe(isThorough?: boolean): Promise<Availability>
  /** @throws EffuseError EF404 with the command that adds what is missing. */
  open(): Promise<Backend>
}

/** Fastest first: `auto` takes the first that is available. */
export type BackendCatalog = readonly BackendEntry[]
