/** EfficientNet of timm (PyTorch) and of Keras (TensorFlow's graph mode), in a process of Python, with effuse's initial values. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environment } from '#platform'
import { modelKey } from '../io/own-metadata.ts'
import { isRecord } from '../ir/attrs.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { liveOrder } from '../ir/graph.ts'
import { initialValues } from '../ir/initializers.ts'
import { modelMetadata } from '../ir/metadata.ts'
import type { Graph } from '../ir/types.ts'
import { scheduleAt } from '../passes/train/schedules.ts'
import type { StepOptions } from '../passes/train/step.ts'
import { variableNodes } from './layers.ts'
import type { BenchPeer, PeerRequest, PythonPeerName } from './peer.ts'
import { type Answer, startPython } from './python-process.ts'

interface PythonPeer {
  readonly script: string
  /** What pip installs. */
  readonly packages: string
  /** Variants that the library has. */
  readonly variants: RegExp
}

const peers: { readonly [P in PythonPeerName]: PythonPeer } = {
  pytorch: { script: 'pytorch_peer.py', packages: 'torch timm', variants: /^(b|lite)\d$/ },
  'tensorflow-python': { script: 'tensorflow_peer.py', packages: 'tensorflow-cpu', variants: /^b\d$/ },
}

/**
 * @param command For tests: a program that speaks the protocol, and its arguments.
 * @throws EffuseError EF404 where Python or a package is missing, EF405 for another network than EfficientNet, or another optimizer than RMSprop
 */
export const openPython = async (
  name: PythonPeerName,
  request: PeerRequest,
  command?: readonly string[],
): Promise<BenchPeer> => {
  const { script, packages, variants } = peers[name]
  const network = networkOf(name, request, variants)
  const python = environment('EFFUSE_PYTHON') ?? 'python3'
  const file = fileURLToPath(new URL(`../../python/${script}`, import.meta.url)) // src and dist are equally deep
  const folder = await mkdtemp(join(tmpdir(), 'effuse-bench-'))
  const child = startPython(command ?? [python, '-u', file])
  const ask = async (document: object): Promise<Answer> => {
    const answer = await child.ask(document)
    if (answer.unable !== undefined) throw new EffuseError({ code: 'EF405', message: answer.unable })
    return answer
  }
  try {
    const answer = await ask({ ...network, ...(await writtenTo(folder, request)), threads: request.threads })
    if (answer.missing !== undefined)
      throw new EffuseError({
        code: 'EF404',
        message: `the peer "${name}" needs Python with ${packages.replaceAll(' ', ' and ')}; ${answer.python ?? python} has no ${answer.missing}`,
        hint: `${answer.python ?? python} -m pip install ${packages}; another Python by the variable EFFUSE_PYTHON`,
      })
    if (answer.ready === undefined) throw new EffuseError({ code: 'EF405', message: `${name} did not get ready` })
    const { versions, ms } = answer.ready
    return {
      about: versions,
      compileMs: ms,
      run: async () => ({ loss: null, ms: (await ask({ do: 'run' })).ms }), // its dropout draws other numbers
      outputs: async () => (request.training === null ? ((await ask({ do: 'outputs' })).outputs ?? null) : null),
      dispose: () => child.end(),
    }
  } catch (error) {
    child.end()
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Options that the libraries' networks have no equivalent for, unless they have these values. */
const plainOptions: { readonly [option: string]: unknown } = {
  inChannels: 3,
  padding: 'same',
  normalize: true,
  head: true,
  blocks: undefined,
  taps: undefined,
}

const networkOf = (name: PythonPeerName, { model, graph, batch, training }: PeerRequest, variants: RegExp): object => {
  const declared: unknown = JSON.parse(modelMetadata(model)[modelKey] ?? 'null')
  const variant = isRecord(declared) ? declared['variant'] : undefined
  const options = isRecord(declared) && isRecord(declared['options']) ? declared['options'] : {}
  const odd = Object.entries(plainOptions).find(([option, plain]) => (options[option] ?? plain) !== plain)?.[0]
  if (typeof variant !== 'string' || !variants.test(variant) || odd !== undefined)
    throw new EffuseError({
      code: 'EF405',
      message: `${name} has EfficientNets as published, and ${graph.name} is ${typeof variant === 'string' && odd !== undefined ? `one with other ${odd}` : 'not among them'}`,
    })
  const { resolution, classes = 1000 } = options
  const [height, width] = Array.isArray(resolution) ? resolution : [resolution, resolution]
  return {
    variant,
    classes,
    imageShape: [batch, height, width, 3],
    // The mean and deviation of efficientNet(), normalize: true.
    mean: [123.675, 116.28, 103.53],
    deviation: [58.395, 57.12, 57.375],
    training: training === null ? null : stepOf(name, training, graph, options),
  }
}

const stepOf = (
  name: PythonPeerName,
  { optimizer, weightDecay = 0, emaDecay, accumulate = 1, clipNorm, frozen = [] }: StepOptions,
  graph: Graph,
  options: { readonly [option: string]: unknown },
): object => {
  if (optimizer.kind !== 'rmsprop' || accumulate !== 1 || clipNorm !== undefined || frozen.length > 0)
    throw new EffuseError({
      code: 'EF405',
      message: `${name} has a training step with RMSprop, without accumulation, clipping and frozen variables`,
    })
  const { rho, momentum, epsilon, learningRate } = optimizer
  return {
    ...{ rho, momentum, epsilon, weightDecay },
    learningRate: scheduleAt(learningRate, 0),
    emaDecay: emaDecay ?? null,
    labelSmoothing: 0.1,
    dropout: liveOrder(graph).reduce(
      (rate, node) => (node.op === 'dropout' && node.attrs.per === 'element' ? node.attrs.rate : rate),
      0,
    ),
    stochasticDepth: options['stochasticDepth'] ?? 0.2,
  }
}

/** The variables in the order in which the network uses them, and the feeds, as files of plain numbers. */
const writtenTo = async (folder: string, { graph, seed, feeds }: PeerRequest): Promise<object> => {
  const variables = variableNodes(graph).map(({ attrs: { name, init }, types: [type] }) => {
    const shape = type?.shape ?? []
    return { shape, data: Float32Array.from(initialValues(init, shape, { seed, name })) }
  })
  const path = (name: string): string => join(folder, name)
  await writeFile(
    path('weights'),
    variables.map(({ data }) => data),
  )
  const files: { [name: string]: string } = {}
  for (const [name, data] of Object.entries(feeds)) {
    files[name] = path(`feed-${name}`)
    await writeFile(path(`feed-${name}`), new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return { weights: path('weights'), shapes: variables.map(({ shape }) => shape), ...files }
}
