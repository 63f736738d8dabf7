/** Mutants that compute the same as the source, so that no test can detect them, each with its proof. */
export interface Equivalent {
  readonly name: string
  readonly proof: string
}

export const equivalents: readonly Equivalent[] = []
