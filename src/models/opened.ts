/** An opened file of weights, of effuse or of another program. */
import type { ModelWeights } from '../executable/model-weights.ts'
import type { FixedCrop } from '../pixels/box.ts'

export interface Opened<M> extends ModelWeights {
  readonly model: M
  /** Names of the classes, in order; empty if the file has none. */
  readonly labels: readonly string[]
  /** The crop of pictures; 'center' if the file does not say. */
  readonly crop: FixedCrop
  /** Choices that openModel() made by itself, one sentence each. */
  readonly notes: readonly string[]
}
