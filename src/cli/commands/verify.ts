/** Verification by properties: kernels of a backend, passes, a model or a graph. */
import { Option, type Command } from 'commander'
import type { Backend } from '../../backends/backend.ts'
import { selectBackend } from '../../backends/select.ts'
import { ampRequest, engineFor } from '../../executable/amp.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { stages, verifyOrThrow, type Stage } from '../../ir/verify.ts'
import type { Pass } from '../../passes/pass.ts'
import type { PipelineSwitches } from '../../passes/standard-pipelines.ts'
import { graphSteps } from '../../passes/program.ts'
import { parsePipeline, passFactories } from '../../passes/registry.ts'
import type {
  CaseOp,
  GraphsVerification,
  GraphVerification,
  JudgedPart,
  Verification,
  VerificationFailure,
} from '../../testing/index.ts'
import { makeBar, type Bar } from '../bar.ts'
import {
  compileOptionsOf,
  isVariant,
  modelByName,
  naturalOf,
  sizeFlag,
  trainingStepOf,
  withCommon,
  type CommonOptions,
} from '../common.ts'
import type { Io } from '../io.ts'
import { readProgram } from '../read-program.ts'

interface Options extends CommonOptions {
  readonly model?: string
  readonly train?: boolean
  readonly batch: string
  readonly size?: string
  readonly kernels?: true | readonly string[]
  readonly passes?: true | string
  readonly graphs?: boolean
  readonly stage: Stage
  readonly runs?: string
  readonly failures: string
}

export const addVerify = (program: Command, io: Io, end: (code: number) => void): void => {
  withCommon(
    program
      .command('verify')
      .description('check passes and kernels with random cases; print the smallest case that fails'),
  )
    .argument('[file]', 'a graph or a program in text form: checks its passes and, without --passes, its kernels')
    .option('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name: checks its passes and kernels')
    .option('--train', 'check the training step of the model: cross-entropy, RMSprop, weight decay, averages')
    .option('--batch <n>', 'batch size of the model', '1')
    .option('--size <pixels>', "height and width; default: the variant's own")
    .option('--kernels [op...]', 'check the kernels of the backend, all or those of these ops')
    .option('--passes [list]', "check the passes, all or these, 'simplify,cse'; with a file: these on its graph")
    .option('--graphs', 'check whole random graphs, compiled by all passes, on the backend')
    .addOption(new Option('--stage <stage>', 'stage of the graph before the passes').choices(stages).default('model'))
    .option('--runs <n>', 'random cases of each kind; default: 100, or 1 for the kernels of a model or file')
    .option('--failures <folder>', 'folder that keeps failures; the next run tries them first', '.effuse/failures')
    .action(async (file: string | undefined, options: Options) => {
      checkWhat(file, options)
      const bar = makeBar(io)
      try {
        const found = await verification(file, options, bar)
        bar.stop()
        tell(found, options, io)
        end(found.failures.length === 0 ? 0 : 1)
      } finally {
        bar.stop()
      }
    })
}

const checkWhat = (file: string | undefined, { model, kernels, passes, graphs }: Options): void => {
  const wholes = [file, model].filter((given) => given !== undefined)
  const isBoth =
    wholes.length > 1 ||
    (wholes.length === 1 && (kernels !== undefined || graphs !== undefined)) ||
    (model !== undefined && passes !== undefined)
  if (isBoth)
    throw new EffuseError({
      code: 'EF601',
      message:
        'effuse verify takes a file, --model, or --kernels, --passes and --graphs; only --passes can be combined with a file',
      hint: 'effuse verify --model b0',
    })
}

type Found = Verification & {
  readonly backend: string
  readonly judged?: readonly JudgedPart[]
  readonly numbers?: GraphsVerification['numbers'] | undefined
}

const verification = async (file: string | undefined, options: Options, bar: Bar): Promise<Found> => {
  const { amp: wanted, backend: name = 'auto', xla, seed } = compileOptionsOf(options)
  const { backend: opened } = await selectBackend(name)
  const amp = ampRequest(wanted, opened)
  const backend: Backend = { ...opened, ...engineFor(opened, amp) }
  const switches: PipelineSwitches = { simplify: xla === true, fusion: xla === true, amp: amp?.settings ?? null }
  const common: Common = {
    seed: seed ?? 0,
    failures: options.failures,
    runs: options.runs === undefined ? undefined : naturalOf('--runs', options.runs, 1),
  }
  const whole = file !== undefined || options.model !== undefined
  const found = whole
    ? await verifyOne(file, options, backend, switches, common, bar)
    : await verifyRandom(options, backend, switches, common, bar)
  return { ...found, backend: backend.name }
}

interface Common {
  readonly seed: number
  readonly failures: string
  readonly runs: number | undefined
}

/** Imported here, because it needs the optional package fast-check. */
const testing = () => import('../../testing/index.ts')

const verifyOne = async (
  file: string | undefined,
  options: Options,
  backend: Backend,
  switches: PipelineSwitches,
  common: Common,
  bar: Bar,
): Promise<GraphVerification> => {
  const { verifyGraph } = await testing()
  const onPart = (name: string, at: number, of: number): void => bar.at(at, of, name)
  const batch = naturalOf('--batch', options.batch, 1)
  if (file === undefined) return verifyGraph(await modelOf(options), backend, { ...common, batch, switches, onPart })
  const start = await readProgram(file)
  for (const { graph } of graphSteps(start)) verifyOrThrow(graph, { stage: options.stage })
  const passes = typeof options.passes === 'string' ? passesByName(options.passes, backend) : undefined
  return verifyGraph(start, backend, { ...common, passes, stage: options.stage, switches, onPart })
}

const modelOf = async ({ model = 'b0', size, train }: Options) => {
  const resolution = sizeFlag(size)
  if (!isVariant(model) && resolution !== undefined)
    throw new EffuseError({
      code: 'EF601',
      message: `--size is for variants of EfficientNet; ${model} declares its own`,
    })
  const named = await modelByName(model, { resolution })
  return train === true ? trainingStepOf(named) : named
}

const verifyRandom = async (
  { kernels, passes, graphs }: Options,
  backend: Backend,
  switches: PipelineSwitches,
  common: Common,
  bar: Bar,
): Promise<Verification & Pick<Found, 'numbers'>> => {
  const { conformance, joined, opCases, verifyGraphs, verifyPass } = await testing()
  const isAll = kernels === undefined && passes === undefined && graphs === undefined
  const runs = common.runs ?? 100
  const parts: Verification[] = []
  if (isAll || kernels !== undefined) {
    const ops =
      kernels === undefined || kernels === true ? undefined : kernels.map((op) => knownOp(op, Object.keys(opCases)))
    parts.push(
      await conformance(backend, { ...common, runs, ops, onOp: (op, at, of) => bar.at(at, of, `kernel ${op}`) }),
    )
  }
  if (isAll || passes !== undefined) {
    const chosen = typeof passes === 'string' ? passesByName(passes, backend) : allPasses(backend)
    for (const [at, pass] of chosen.entries()) {
      const onCase = counting((done) => bar.at(at * runs + done, chosen.length * runs, `pass ${pass.name}`))
      const after = typeof passes === 'string' ? chosen.slice(0, at) : []
      parts.push(await verifyPass(pass, { ...common, runs, after, target: backend.target, onCase }))
    }
  }
  if (!isAll && graphs === undefined) return joined(parts)
  const onCase = counting((done) => bar.at(done, runs, 'random graphs'))
  const ofGraphs = await verifyGraphs(backend, { ...common, runs, switches, onCase })
  return { ...joined([...parts, ofGraphs]), numbers: ofGraphs.numbers }
}

const counting = (told: (done: number) => void): (() => void) => {
  let done = 0
  return () => told(++done)
}

const knownOp = (op: string, known: readonly string[]): CaseOp => {
  if (known.includes(op)) return op as CaseOp // it is one of them
  throw new EffuseError({
    code: 'EF601',
    message: `--kernels: there are no cases for an op "${op}"`,
    hint: known.join(', '),
  })
}

const passesByName = (text: string, { legalize, fuse }: Backend): readonly Pass[] =>
  parsePipeline(
    text,
    [...legalize, ...fuse]
      .filter(({ name }) => passFactories.every((known) => known.name !== name))
      .map((pass) => ({ name: pass.name, options: {}, make: () => pass })),
  ).passes

/** All passes that preserve what a graph computes, including those of the backend. */
const allPasses = ({ legalize, fuse }: Backend): readonly Pass[] =>
  [...passFactories.map((factory) => factory.make({})), ...legalize, ...fuse].filter(
    ({ preserves }) => preserves !== 'mode',
  )

const tell = (found: Found, options: Options, io: Io): void => {
  if (options.json === true) {
    io.out(JSON.stringify(found, specialNumbers, 2))
    return
  }
  for (const failure of found.failures) io.out(failureText(failure))
  const { seed, cases, failures, worst, judged = [], numbers, backend } = found
  for (const how of ['whole', 'regions', 'structure', 'not'] as const) {
    const parts = judged.filter((part) => part.how === how)
    if (parts.length > 0)
      io.out(`${how}: ${parts.map(({ name, why }) => (how === 'not' ? `${name} (${why})` : name)).join(', ')}`)
  }
  if (numbers !== undefined)
    io.out(
      `graphs: ${numbers.compared} numbers compared; ${numbers.unbounded} not, because rounding may change them without bound`,
    )
  const nearest =
    worst === null
      ? ''
      : `; nearest to its tolerance: ${worst.name}, ${worst.error.toPrecision(3)} of ${worst.tolerance.toPrecision(3)}`
  const end = failures.length === 0 ? 'none failed' : `${failures.length} failed`
  io.out(`${cases} cases on ${backend}, seed ${seed}: ${end}${nearest}`)
}

const failureText = ({ name, counterexample: { graph, inputs }, error, tolerance }: VerificationFailure): string =>
  [
    `${name}: ${typeof error === 'number' ? `off by ${error}, the tolerance is ${tolerance}` : error}`,
    graph.trimEnd().replaceAll(/^/gm, '  '),
    ...Object.entries(inputs).map(
      ([of, numbers]) => `  ${of} = [${numbers.slice(0, 32).join(', ')}${numbers.length > 32 ? ', …' : ''}]`,
    ),
    '',
  ].join('\n')

/** Writes NaN and infinities by name, because JSON does not have them. */
const specialNumbers = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
