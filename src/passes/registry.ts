/** Passes by name: for pipelines from text, on the command line, in tests and in reproducers. */
import { isNames, type CheckFor } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { ampClasses, type AmpClass } from '../ir/op-def.ts'
import { isOpName, opDef, opNames } from '../ir/ops/index.ts'
import { differentiate } from './autodiff/differentiate.ts'
import { cse } from './cse.ts'
import { dce } from './dce.ts'
import { decompose, decomposeOps } from './decompose.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import { foldConstants } from './fold-constants.ts'
import { fuse } from './fuse.ts'
import { fusion } from './fusion/index.ts'
import { hoistPrepare } from './hoist-prepare.ts'
import { ampFactory } from './mixed-precision/amp.ts'
import { aListOfGlobs, aListOfNames, aName, aNumber, optionOf, plain, type PassFactory } from './pass-factory.ts'
import { pipeline, type Pipeline } from './pipeline.ts'
import { splitPasses } from './pipeline-text.ts'
import { simplify } from './simplify/index.ts'
import { toInference } from './to-inference.ts'
import { toTraining } from './to-training.ts'
import { trainingFactories } from './train/factories.ts'
import { didYouMean } from '../ir/words.ts'

export type { PassFactory, PassOptions } from './pass-factory.ts'

export const passFactories: readonly PassFactory[] = [
  plain(toInference),
  plain(simplify),
  plain(foldConstants),
  plain(cse),
  plain(dce),
  plain(foldBatchNorm),
  plain(hoistPrepare),
  plain(fuse),
  plain(fusion),
  ampFactory,
  {
    name: 'to-training',
    options: { frozen: 'globs of variables that are not trained, a list' },
    make: ({ frozen }) => toTraining({ frozen: globsOf('to-training', frozen) }),
  },
  {
    name: 'differentiate',
    options: {
      loss: 'name of the scalar output; default loss',
      frozen: 'globs of variables that are not trained, a list',
    },
    make: ({ loss, frozen }) =>
      differentiate({
        loss: optionOf('differentiate', 'loss', loss, aName),
        frozen: globsOf('differentiate', frozen),
      }),
  },
  ...trainingFactories,
  {
    name: 'decompose',
    options: {
      ops: 'names of ops, a list; without it all composites',
      above: 'a number; only ops with a result of more elements',
      classes: "classes for mixed precision, a list; of users' composites only those",
      except: "names of users' composites that stay, a list",
    },
    make: (options) => {
      const ops = optionOf('decompose', 'ops', options['ops'], aListOfNames)
      const above = optionOf('decompose', 'above', options['above'], aNumber)
      const classes = optionOf('decompose', 'classes', options['classes'], someAmpClasses)
      const except = optionOf('decompose', 'except', options['except'], aListOfNames)
      if (Object.keys(options).length === 0) return decompose((n) => opDef(n.op).level === 'composite')
      const chosen = ops ?? opNames.filter((op) => opDef(op).level === 'composite')
      const unknown = chosen.find((op) => !isOpName(op))
      if (unknown !== undefined)
        throw new EffuseError({
          code: 'EF302',
          message: `pass decompose: there is no op "${unknown}"`,
          hint: didYouMean(unknown, opNames, ''),
        })
      return decomposeOps(chosen.filter(isOpName), { above, classes, except })
    },
  },
]

const someAmpClasses: CheckFor<readonly AmpClass[]> = [
  `a list of ${ampClasses.join(', ')}`,
  (v): v is readonly AmpClass[] => isNames(v) && v.every((name) => ampClasses.some((known) => known === name)),
]

const globsOf = (pass: string, value: unknown): readonly string[] | undefined =>
  optionOf(pass, 'frozen', value, aListOfGlobs)

/**
 * A pipeline from its text, `simplify,decompose{ops=["silu"]},cse`. `more`: passes of a backend or of the caller.
 * @throws EffuseError EF301 (unknown pass), EF302 (unknown or wrong option, syntax).
 */
export const parsePipeline = (text: string, more: readonly PassFactory[] = []): Pipeline => {
  const factories = new Map([...passFactories, ...more].map((f) => [f.name, f]))
  return pipeline(
    splitPasses(text).map(({ name, options }) => {
      const factory = factories.get(name)
      const names = [...factories.keys()]
      if (factory === undefined)
        throw new EffuseError({
          code: 'EF301',
          message: `there is no pass "${name}"; there are ${names.join(', ')}`,
          hint: didYouMean(name, names, ''),
        })
      for (const key of Object.keys(options)) {
        if (!Object.hasOwn(factory.options, key))
          throw new EffuseError({
            code: 'EF302',
            message: `pass ${name} has no option "${key}"; it has ${Object.keys(factory.options).join(', ') || 'none'}`,
          })
      }
      return factory.make(options)
    }),
  )
}
