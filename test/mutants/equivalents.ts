/** Mutants that compute the same as the source: no test can see them. Each with its proof. */
export interface Equivalent {
  readonly name: string
  readonly proof: string
}

export const equivalents: readonly Equivalent[] = []
