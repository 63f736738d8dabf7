/** The settings of a recipe as flags. The table of recipes defines their values; here are only names and help. */
import { type Command, Option } from 'commander'
import { EffuseError } from '../../ir/diagnostics.ts'
import { fromWord, isOfKind, kindWords } from '../../recipes/kinds.ts'
import { type Recipe, settings } from '../../recipes/recipe.ts'
import type { NameOf } from '../../recipes/resolve.ts'
import { backendOf } from '../common.ts'

/** Settings that only a file can have. */
type FileOnly = 'architecture'
/** Settings whose flags other commands have, too. */
const commonSettings = [
  'backend',
  'amp',
  'ampDtype',
  'ampStrategy',
  'emulateHalf',
  'xla',
  'xlaTensorflow',
  'precision',
  'deterministic',
  'seed',
] as const satisfies readonly (keyof Recipe)[]
type FlagSetting = Exclude<keyof Recipe, FileOnly | (typeof commonSettings)[number]>

const flags: { readonly [K in FlagSetting]: readonly [flag: string, help: string] } = {
  model: ['--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name'],
  data: ['--data <source>', 'digits, or a folder train/<class>/*.jpg with val/<class>/* or --holdout'],
  holdout: ['--holdout <share>', 'share of the pictures held out for tests, if the folder has no val'],
  crop: [
    '--crop <how>',
    'crop of training pictures of a folder: box (default), a random box; center; none, the whole picture',
  ],
  cropArea: [
    '--crop-area <shares>',
    'for --crop box: the smallest and largest share, 0.5,1; default: depends on the size',
  ],
  flip: ['--flip', 'mirror half of the training pictures of a folder at random (default)'],
  size: ['--size <pixels>', "height and width of the pictures; default: the model's own"],
  dropout: ['--dropout <rate>', "dropout rate before the last layer; default: the model's own"],
  stochasticDepth: ['--stochastic-depth <rate>', 'drop rate of the last block; default 0.2'],
  epochs: ['--epochs <n>', 'passes over the training data; default 10'],
  stepsPerEpoch: ['--steps-per-epoch <n>', 'updates per epoch; default: all pictures of the data'],
  batch: ['--batch <n>', 'pictures in one run of the step; default 32'],
  accumulate: ['--accumulate <n>', 'runs of the step per update; default 1'],
  stages: ['--stages <n>', 'stage-wise training: the --base-… settings change to their final values in n stages'],
  baseSize: ['--base-size <pixels>', 'start of --size; the first stage is already one step larger'],
  baseDropout: ['--base-dropout <rate>', '--dropout of the first stage'],
  baseAugmentation: ['--base-augmentation <n>', '--augmentation of the first stage'],
  baseMixup: ['--base-mixup <alpha>', '--mixup of the first stage'],
  optimizer: ['--optimizer <name>', 'rmsprop (default), sgd, adam, adamw'],
  momentum: ['--momentum <x>', 'for rmsprop (default 0.9) and sgd (0)'],
  rho: ['--rho <x>', 'for rmsprop; default 0.9'],
  epsilon: ['--epsilon <x>', 'for rmsprop (default 1e-3, inside the root), adam and adamw (1e-7)'],
  initialMeanSquare: ['--initial-mean-square <x>', 'for rmsprop; default 0; 1 makes the first steps smaller'],
  beta1: ['--beta1 <x>', 'for adam and adamw; default 0.9'],
  beta2: ['--beta2 <x>', 'for adam and adamw; default 0.999'],
  nesterov: ['--nesterov', 'Nesterov momentum, for sgd'],
  learningRate: ['--lr <rate>', 'the highest learning rate, not scaled'],
  learningRateInit: [
    '--lr-init <rate>',
    'learning rate for 128 pictures per update, scaled by their number; default 0.005',
  ],
  schedule: ['--schedule <name>', 'cosine (default), linearCosine, exponential, piecewise, constant'],
  warmupEpochs: [
    '--warmup-epochs <n>',
    'epochs in which the rate rises from 0; default 5, or a tenth of --epochs if that is less',
  ],
  decayRate: ['--decay-rate <x>', 'for --schedule exponential; default 0.97'],
  decayEpochs: ['--decay-epochs <n>', 'for --schedule exponential: epochs per decay; default 2.4'],
  boundaries: ['--boundaries <epochs>', 'for --schedule piecewise: 30,60,80'],
  multipliers: ['--multipliers <list>', 'for --schedule piecewise, one more than boundaries: 1,0.1,0.01,0.001'],
  weightDecay: ['--weight-decay <x>', 'x * sum(w^2) over kernels and biases; decoupled with adamw; default 5e-6'],
  labelSmoothing: ['--label-smoothing <x>', 'default 0.1'],
  emaDecay: ['--ema-decay <x>', 'decay of moving averages of all weights; default none'],
  clipNorm: ['--clip-norm <x>', 'largest norm of the gradient over all variables; default none'],
  lossScale: ['--loss-scale <x>', 'auto (default), dynamic, none, or a power of two'],
  augmentation: ['--augmentation <n>', "strength of augmentation, in the data's own units"],
  mixup: ['--mixup <alpha>', 'default 0: none'],
  frozen: ['--freeze <globs...>', "variables that are not trained: 'stem/**' 'blocks.*/**'"],
  earlyStop: ['--early-stop <epochs>', 'end after this many epochs without improvement'],
  checkpointEvery: ['--checkpoint-every <updates>', "updates between checkpoints, besides the one at each epoch's end"],
  keepCheckpoints: ['--keep <n>', 'how many latest checkpoints to keep, besides the best; default 3'],
  evaluateEvery: ['--evaluate-every <epochs>', 'epochs between evaluations; default 1'],
  evaluationBatch: ['--eval-batch <n>', 'batch size of evaluations; default: --batch'],
  weights: [
    '--weights <path>',
    "start from a file, or a run's best; a head with another number of classes gets initial values",
  ],
}
const flagSettings = Object.keys(flags) as readonly FlagSetting[] // Object.keys does not keep the keys' type

export const addSettingFlags = (command: Command): Command => {
  for (const key of flagSettings) command.addOption(new Option(...flags[key]))
  return command.option('--no-flip', 'never mirror training pictures')
}

/** `--weight-decay`, for messages. */
export const flagOf = (key: keyof Recipe): string =>
  key === 'architecture'
    ? '"architecture"'
    : key in flags
      ? wordOf(flags[key as FlagSetting][0])
      : `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
/** Names of settings for messages: the flag, or for a value that a file has and the command line does not change, its name there. */
export const namesIn =
  (given: Partial<Recipe>, ofFile: Partial<Recipe>, file: string | null): NameOf =>
  (key) =>
    file !== null && given[key] === undefined && (ofFile[key] ?? null) !== null ? `"${key}" in ${file}` : flagOf(key)
const wordOf = (flag: string): string => flag.split(' ')[0] ?? flag

/**
 * The settings on the command line, without defaults. `none` removes an optional setting, unless it is one of the setting's values.
 * @throws EffuseError EF601, which names the flag, the expected and the given value.
 */
export const settingsGiven = (command: Command): Partial<Recipe> => {
  const found: [keyof Recipe, unknown][] = []
  for (const key of flagSettings) {
    const name = new Option(flags[key][0]).attributeName()
    if (command.getOptionValueSource(name) === 'cli') found.push([key, settingOf(key, command.getOptionValue(name))])
  }
  for (const key of commonSettings) {
    const isGiven = [key, `use_${key}`].some((name) => command.getOptionValueSource(name) === 'cli')
    if (isGiven) found.push([key, settingOf(key, command.getOptionValue(key) ?? true)])
  }
  const given: Partial<Recipe> = Object.fromEntries(found)
  const impliesAmp = (given.ampDtype ?? given.ampStrategy ?? null) !== null // `none` removes it
  const impliesXla = (given.xlaTensorflow ?? null) !== null
  return {
    ...(impliesAmp ? { amp: true } : {}),
    ...(impliesXla ? { xla: true } : {}),
    ...given,
  }
}

const settingOf = (key: keyof Recipe, given: unknown): unknown => {
  const { takes, initial } = settings[key]
  const takesAway = initial === null && !isOfKind(takes, 'none')
  if (given === 'none' && takesAway) return null
  if (key === 'backend') return backendOf(String(given))
  const value = typeof given === 'string' ? fromWord(takes, given) : given
  if (!isOfKind(takes, value))
    throw new EffuseError({
      code: 'EF601',
      message: `${flagOf(key)} must be ${kindWords(takes)}${takesAway && takes.kind !== 'switch' ? ', or none' : ''}, got "${String(given)}"`,
    })
  return value
}
