/** The training step and the loop around it. */
import { type Mutant, mutantsOf } from '../mutant.ts'

export const trainingMutants: readonly Mutant[] = [
  ...mutantsOf(
    'src/passes/train/accumulate.ts',
    ['test/train/accumulate-plans.test.ts', 'test/train/accumulate.test.ts', 'test/train/accumulate-runs.test.ts'],
    [
      ['gradients are summed and not averaged', 'sum.builder.div(sum, steps)', 'sum'],
      ['accumulators are not reset', 'resets.push({ variable: sum.id, value: sum.builder.like(sum, 0) })', ''],
      [
        'a micro-batch that is not finite is ignored if a later one is finite',
        "value: b.emit1('and', [finite, own], {}) }",
        'value: own }',
      ],
    ],
  ),
  ...mutantsOf(
    'src/passes/train/clip.ts',
    ['test/train/clip.test.ts', 'test/train/step.test.ts'],
    [
      [
        'gradients below the limit are scaled up',
        'b.minimum(shareOf(longest, gradients), 1)',
        'shareOf(longest, gradients)',
      ],
      ['the norm is that of the last gradient', 'total.builder.add(total, square)', 'square'],
    ],
  ),
  ...mutantsOf(
    'src/passes/train/guard-updates.ts',
    ['test/passes/training-steps.test.ts', 'test/train/step.test.ts'],
    [
      [
        'statistics change only if the step is not finite',
        'b.select(edit.value(finite, b), edit.value(value, b), old)',
        'b.select(edit.value(finite, b), old, edit.value(value, b))',
      ],
    ],
  ),
  ...mutantsOf(
    'src/passes/train/weight-decay.ts',
    ['test/passes/training-steps.test.ts', 'test/train/step.test.ts'],
    [
      ['the gradient of the decay is half', 'builder.mul(variable, 2 * lambda)', 'builder.mul(variable, lambda)'],
      ['weight decay also applies to norms', "globFilter(['**/kernel', '**/bias'])", "globFilter(['**'])"],
    ],
  ),
  ...mutantsOf(
    'src/passes/train/loss-scale.ts',
    ['test/passes/training-steps.test.ts', 'test/train/step.test.ts'],
    [['gradients stay scaled', 'inverse === null ? gradient :', 'inverse !== null ? gradient :']],
  ),
  ...mutantsOf(
    'src/passes/train/moving-averages.ts',
    ['test/passes/training-steps.test.ts', 'test/train/step.test.ts'],
    [['averages use the values before the step', 'updated.get(variable.id) ?? variable', 'variable']],
  ),
]
