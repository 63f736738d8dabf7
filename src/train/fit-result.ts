/** The result of a training run. */
import type { Variables } from '../executable/variables.ts'

export interface FitResult extends Disposable {
  /** 'finished': all epochs; 'earlyStop': no improvement; 'aborted': by the signal, resumable from the checkpoint. */
  readonly reason: 'finished' | 'earlyStop' | 'aborted'
  /** Finished epochs, including those before a resume. */
  readonly epochs: number
  /** Updates, including skipped ones. */
  readonly steps: number
  readonly skippedSteps: number
  /** Loss with weight decay of the last update; null if there was no update. */
  readonly loss: number | null
  readonly lossScale: number
  /** Shares of the last evaluation, 0 to 1; null if there was none or it was not finite. */
  readonly top1: number | null
  readonly emaTop1: number | null
  /** Name of the last checkpoint in the store. */
  readonly checkpoint: string | null
  /**
   * The weights, the averages beside them (`variables.averages`), and the optimizer's state. They are valid until dispose(). Files that they
   * save contain the model and the classes; openModel() opens them.
   */
  readonly variables: Variables
  dispose(): void
}
