import type { Command } from 'commander'
import { compile } from '../../compile.ts'
import { listImages, readImage } from '../../data/read-image.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { openModel } from '../../models/open-model.ts'
import { top, type TopEntry } from '../../models/top.ts'
import { compileOptionsOf, naturalOf, withCommon, type CommonOptions } from '../common.ts'
import type { Io } from '../io.ts'

interface Options extends CommonOptions {
  readonly weights?: string
  readonly format?: string
  readonly top: string
}

export const addPredict = (program: Command, io: Io): void => {
  withCommon(program.command('predict').description('name what is on pictures'))
    .argument('<files...>', 'pictures, or folders of pictures')
    .option('--weights <file>', "weights: effuse's own, timm's or torchvision's safetensors, or a PyTorch .pth")
    .option('--format <name>', 'where the weights come from, where the file does not say: timm, timm-tf, torchvision')
    .option('--top <k>', 'how many classes to name', '5')
    .action((files: readonly string[], options: Options) => predict(files, options, io))
}

const predict = async (files: readonly string[], options: Options, io: Io): Promise<void> => {
  if (options.weights === undefined) {
    throw new EffuseError({
      code: 'EF601',
      message: 'predict needs trained weights: --weights FILE; an untrained network would only guess',
      hint: 'npm run demo fetches the weights of EfficientNet-Lite0',
    })
  }
  const k = naturalOf('--top', options.top, 1)
  const pictures = await listImages(files)
  const { model, weights, labels, resolution } = await openModel(options.weights, { format: options.format })
  const net = await compile(model, { ...compileOptionsOf(options), variables: weights })
  try {
    if (options.json !== true)
      io.out(`${model.name} at ${resolution}x${resolution} on ${net.backend} (${net.backendReason})\n`)
    const results: { file: string; top: readonly TopEntry[] }[] = []
    let ms = 0
    for (const file of pictures) {
      const image = await readImage(file, { size: resolution })
      const start = performance.now()
      const { probabilities, logits } = await net.run({ image })
      const values = await probabilities.data()
      ms += performance.now() - start
      probabilities.dispose()
      logits.dispose()
      const best = top(values, k, labels)
      results.push({ file, top: best })
      if (options.json !== true)
        io.out(
          [file, ...best.map((b) => `  ${(b.probability * 100).toFixed(1).padStart(5)} %  ${b.label}`), ''].join('\n'),
        )
    }
    if (options.json === true) return io.out(JSON.stringify({ backend: net.backend, ms, results }, null, 2))
    io.out(
      `${results.length} picture${results.length === 1 ? '' : 's'} in ${ms.toFixed(0)} ms on ${net.backend}, the first run's preparation included.`,
    )
  } finally {
    net.dispose()
  }
}
