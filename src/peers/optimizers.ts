/** Optimizers by tfjs's public ops: the formulas of tf.train with effuse's options. Slots are variables. */
import type * as Tf from '@tensorflow/tfjs-core'
import type { Optimizer, UpdateRule } from '../passes/train/optimizers.ts'

export interface HandWrittenOptimizer {
  /** Applies gradients, by tfjs's names of the variables. `t` counts updates from 0. */
  apply(gradients: Tf.NamedTensorMap, rate: number, t: number): void
  dispose(): void
}

type Slots = readonly [Tf.Variable, Tf.Variable]

export const makeOptimizer = (
  tf: typeof Tf,
  rule: Optimizer,
  trained: readonly (readonly [name: string, variable: Tf.Variable])[],
): HandWrittenOptimizer => {
  const slots = trained.map(([, { shape }]): Slots => {
    const first = rule.kind === 'rmsprop' ? rule.initialMeanSquare : 0
    const slot = (value: number): Tf.Variable => tf.tidy(() => tf.variable(tf.fill(shape, value), false))
    return [slot(first), slot(0)]
  })
  return {
    apply: (gradients, rate, t) => {
      trained.forEach(([, variable], i) => {
        const gradient = gradients[variable.name]
        const own = slots[i]
        if (gradient !== undefined && own !== undefined) update(tf, rule, variable, gradient, own, rate, t)
      })
    },
    dispose: () => {
      for (const pair of slots) for (const slot of pair) slot.dispose()
    },
  }
}

const update = (
  tf: typeof Tf,
  rule: UpdateRule,
  w: Tf.Variable,
  g: Tf.Tensor,
  [first, second]: Slots,
  rate: number,
  t: number,
): void => {
  switch (rule.kind) {
    case 'rmsprop': {
      first.assign(tf.add(tf.mul(first, rule.rho), tf.mul(tf.square(g), 1 - rule.rho)))
      const step = tf.div(tf.mul(g, rate), tf.sqrt(tf.add(first, rule.epsilon)))
      second.assign(tf.add(tf.mul(second, rule.momentum), step))
      w.assign(tf.sub(w, second))
      return
    }
    case 'sgd': {
      const pull = tf.mul(g, rate)
      first.assign(tf.sub(tf.mul(first, rule.momentum), pull))
      w.assign(tf.add(w, rule.nesterov ? tf.sub(tf.mul(first, rule.momentum), pull) : first))
      return
    }
    case 'adam': {
      first.assign(tf.add(tf.mul(first, rule.beta1), tf.mul(g, 1 - rule.beta1)))
      second.assign(tf.add(tf.mul(second, rule.beta2), tf.mul(tf.square(g), 1 - rule.beta2)))
      const mean = tf.div(first, 1 - rule.beta1 ** (t + 1))
      const root = tf.sqrt(tf.div(second, 1 - rule.beta2 ** (t + 1)))
      const direction = tf.div(mean, tf.add(root, rule.epsilon))
      const whole = rule.weightDecay === 0 ? direction : tf.add(direction, tf.mul(w, rule.weightDecay))
      w.assign(tf.sub(w, tf.mul(whole, rate)))
    }
  }
}
