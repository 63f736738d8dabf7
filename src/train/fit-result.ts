/** What a training run gives when it ends. */
import type { Variables } from '../executable/variables.ts'

export interface FitResult extends Disposable {
  /** 'finished': all epochs; 'earlyStop': no improvement; 'aborted': by the signal, resumable from the checkpoint. */
  readonly reason: 'finished' | 'earlyStop' | 'aborted'
  /** Epochs done, those of the resumed run included. */
  readonly epochs: number
  /** Updates tried, skipped ones included. */
  readonly steps: number
  readonly skippedSteps: number
  /** Loss with weight decay of the last update; null where none was made. */
  readonly loss: number | null
  readonly lossScale: number
  /** Shares of the last evaluation, 0 to 1; null where there was none or it was not finite. */
  readonly top1: number | null
  readonly emaTop1: number | null
  /** Name of the last checkpoint in the store. */
  readonly checkpoint: string | null
  /**
   * The weights, the averages beside them (`variables.averages`), and the optimizer's state. They live until dispose(). Files that they
   * save carry the model and the classes: openModel() opens them.
   */
  readonly variables: Variables
  dispose(): void
}
