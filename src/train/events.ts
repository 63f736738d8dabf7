/** Events of a training run. */

/** One update of the variables, or one that was skipped because a number was not finite. */
export interface StepEvent {
  readonly kind: 'step'
  /** Updates so far, including this one and skipped ones. */
  readonly step: number
  /**
   * Position of the run, in updates of its present settings: finished epochs times `stepsPerEpoch`, plus the updates of this epoch. It differs
   * from `step` only in a run that was resumed with another number of updates per epoch. Schedules use this position.
   */
  readonly position: number
  /** Updates of the whole run under its present settings; `position` ends there. */
  readonly steps: number
  /** Index of the pass over the data, from 0. */
  readonly epoch: number
  readonly stepInEpoch: number
  readonly stepsPerEpoch: number
  /** Loss with weight decay, mean of the update's micro-batches. */
  readonly loss: number
  /** Share of the update's rows that were predicted correctly; null if the loss does not count them. */
  readonly accuracy: number | null
  readonly learningRate: number
  readonly lossScale: number
  /** false: the update was skipped. */
  readonly finite: boolean
  /** Skipped updates of the run so far. */
  readonly skippedSteps: number
  /** Rows per second of the last steps, without evaluations and checkpoints. */
  readonly imagesPerSecond: number
}

/** An evaluation on the held-out data, of the weights and of their averages. Numbers that are not finite are NaN; a notice names the row. */
export interface EvaluationEvent {
  readonly kind: 'evaluation'
  readonly epoch: number
  readonly step: number
  /** Shares, 0 to 1. */
  readonly top1: number
  readonly top5: number
  readonly loss: number
  /** Null where there are no averages. */
  readonly emaTop1: number | null
  readonly emaTop5: number | null
  readonly emaLoss: number | null
  /** Means of the requested metrics, by name. */
  readonly metrics: { readonly [name: string]: number }
  /** Null where there are no averages. */
  readonly emaMetrics: { readonly [name: string]: number } | null
  readonly count: number
  /** Whether it is the best so far (of the averages, where there are some). Never true if the accuracy is NaN. */
  readonly isBest: boolean
}

/** A stage begins: at its first epoch, and when a run resumes within it. */
export interface StageEvent {
  readonly kind: 'stage'
  readonly stage: Stage
  readonly epoch: number
  readonly backend: string
  /** 0 if the executables of an earlier stage are reused. */
  readonly compileMs: number
  /** The step from which a resumed run continues; 0 for a new run. */
  readonly step: number
}

export interface CheckpointEvent {
  readonly kind: 'checkpoint'
  readonly name: string
  readonly step: number
  readonly epoch: number
  readonly bytes: number
}

/** A warning that does not end the run, for example about a damaged checkpoint that was skipped. */
export interface NoticeEvent {
  readonly kind: 'notice'
  readonly message: string
}

export type TrainingEvent = StepEvent | EvaluationEvent | StageEvent | CheckpointEvent | NoticeEvent

/** One stage of a run; a run without stages has one. Undefined settings are those of the model or the source. */
export interface Stage {
  /** From 0. */
  readonly index: number
  readonly count: number
  readonly firstEpoch: number
  readonly epochs: number
  /** Height and width of the pictures. */
  readonly size: number | undefined
  /** Dropout rate before the last layer. */
  readonly dropout: number | undefined
  /** Strength of augmentation, in the source's units. */
  readonly augmentation: number | undefined
  /** Alpha of mixup's Beta distribution; 0: none. */
  readonly mixup: number | undefined
}
