/** The training step of a model, for commands that look at it and train nothing. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import { crossEntropy } from '../passes/train/losses.ts'
import { rmsprop } from '../passes/train/optimizers.ts'
import { cosine, warmup } from '../passes/train/schedules.ts'
import { stepOptionsOf, trainingStep } from '../passes/train/step.ts'

/** As EfficientNet is trained: smoothed cross-entropy, RMSprop, cosine, weight decay, averages. A step of one's own stays as it is. @throws EffuseError EF602 */
export const trainingStepOf = (model: Model): Model => {
  if (stepOptionsOf(model) !== null) return model
  const { logits } = model.outputs
  if (logits === undefined || logits.rank !== 2)
    throw new EffuseError({
      code: 'EF602',
      message: `--train needs a model with an output "logits" [batch,classes]; ${model.name} has ${Object.keys(model.outputs).join(', ')}`,
      hint: 'export a training step of your own: trainingStep(model, { loss, optimizer })',
    })
  return trainingStep(model, {
    loss: crossEntropy({ labelSmoothing: 0.1 }) as never, // the output was checked above
    optimizer: rmsprop({ learningRate: warmup(cosine({ initial: 0.016, steps: 100_000 }), { steps: 1000 }) }),
    weightDecay: 5e-6,
    emaDecay: 0.9999,
  })
}
