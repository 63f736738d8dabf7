/** What a training run tells while it goes on. */

/** One update of the variables, or one that was skipped because a number was not finite. */
export interface StepEvent {
  readonly kind: 'step'
  /** Updates tried so far, this one included; skipped ones count. */
  readonly step: number
  /**
   * How far the run is, in updates of its present settings: epochs done times `stepsPerEpoch`, and those of this epoch. `step` itself but in a
   * run that goes on with another batch or another number of updates an epoch. Schedules are at this position.
   */
  readonly position: number
  /** Updates of the whole run under its present settings; `position` ends there. */
  readonly steps: number
  /** Which pass over the data, from 0. */
  readonly epoch: number
  readonly stepInEpoch: number
  readonly stepsPerEpoch: number
  /** Loss with weight decay, mean of the update's micro-batches. */
  readonly loss: number
  /** Share of the update's rows that were right; null where the loss does not count them. */
  readonly accuracy: number | null
  readonly learningRate: number
  readonly lossScale: number
  /** false: the update was skipped. */
  readonly finite: boolean
  /** Skipped updates of the run so far. */
  readonly skippedSteps: number
  /** Rows per second of the last steps, evaluations and checkpoints left out. */
  readonly imagesPerSecond: number
}

/** The held-out data, by the weights as they are and by their averages. What was not finite is NaN, and a notice says of which row. */
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
  /** Means of the metrics that were asked for, by name. */
  readonly metrics: { readonly [name: string]: number }
  /** Null where there are no averages. */
  readonly emaMetrics: { readonly [name: string]: number } | null
  readonly count: number
  /** The best so far, by the averages where there are some; never where their accuracy is NaN. */
  readonly isBest: boolean
}

/** A stage begins: at its first epoch, and when a run is resumed within it. */
export interface StageEvent {
  readonly kind: 'stage'
  readonly stage: Stage
  readonly epoch: number
  readonly backend: string
  /** 0 where the executables of an earlier stage serve. */
  readonly compileMs: number
  /** The step that a resumed run goes on from; 0 for a new run. */
  readonly step: number
}

export interface CheckpointEvent {
  readonly kind: 'checkpoint'
  readonly name: string
  readonly step: number
  readonly epoch: number
  readonly bytes: number
}

/** Something that the user should know and that stops nothing: a damaged checkpoint that was passed over, say. */
export interface NoticeEvent {
  readonly kind: 'notice'
  readonly message: string
}

export type TrainingEvent = StepEvent | EvaluationEvent | StageEvent | CheckpointEvent | NoticeEvent

/** One stage of a run; a run without stages is one. What is undefined stays as the model or the source has it. */
export interface Stage {
  /** From 0. */
  readonly index: number
  readonly count: number
  readonly firstEpoch: number
  readonly epochs: number
  /** Height and width of the pictures. */
  readonly size: number | undefined
  /** Rate before the last layer. */
  readonly dropout: number | undefined
  /** Strength of augmentation, in the source's units. */
  readonly augmentation: number | undefined
  /** Alpha of mixup's Beta distribution; 0: none. */
  readonly mixup: number | undefined
}
