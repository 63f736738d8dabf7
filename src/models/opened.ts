/** What comes out of a file of weights, whatever wrote it. */
import type { ModelWeights } from '../executable/model-weights.ts'
import type { FixedCrop } from '../pixels/box.ts'

export interface Opened<M> extends ModelWeights {
  readonly model: M
  /** Names of the classes, in order; none where the file has none. */
  readonly labels: readonly string[]
  /** How pictures are to be cut; 'center' where the file does not say. */
  readonly crop: FixedCrop
  /** What was chosen without being asked, one sentence each. */
  readonly notes: readonly string[]
}
