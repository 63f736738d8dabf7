/** What comes out of a file of weights, whatever wrote it. */
import type { ModelWeights } from '../executable/model-weights.ts'

export interface Opened<M> extends ModelWeights {
  readonly model: M
  /** Names of the classes, in order; none where the file has none. */
  readonly labels: readonly string[]
  /** What was chosen without being asked, one sentence each. */
  readonly notes: readonly string[]
}
