/** What doctor() says of a machine besides its backends; `#backends` has the function for Node and for browsers. */

/** A package that effuse uses if it is installed. */
export interface OptionalPackage {
  readonly name: string
  readonly use: string
  /** Null: it is not there. */
  readonly version: string | null
  /** The range of versions that effuse is tested with, as npm writes it. */
  readonly range: string
  /** Is it the project's, or from setup's cache? */
  readonly isProject: boolean
}

/** A package tfjs-node or tfjs-node-gpu, and whether its binding loads. */
export interface TfjsNodeReport {
  readonly name: string
  readonly version: string
  /** Of TensorFlow; null where the binding does not load. */
  readonly tensorflow: string | null
  readonly problem: string | null
}

export interface TensorflowReport {
  /** Null: there is none that could be loaded. */
  readonly library: {
    readonly version: string
    readonly kind: 'cpu' | 'gpu'
    readonly source: string
    readonly path: string
  } | null
  /** What is missing, each with the command that helps. */
  readonly missing: readonly { readonly what: string; readonly fix: string }[]
  readonly tfjsNode: readonly TfjsNodeReport[]
  /** Does this machine show an NVIDIA GPU? */
  readonly hasNvidia: boolean
}

export interface MachineReport {
  readonly packages: readonly OptionalPackage[]
  /** Null in browsers. */
  readonly tensorflow: TensorflowReport | null
}
