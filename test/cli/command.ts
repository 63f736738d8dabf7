/** Helpers for tests of the command line, and a run that takes one second. */
import { writeFile } from 'node:fs/promises'
import type { Recipe } from '../../src/recipes/recipe.ts'
import { runCli } from '../../src/cli/run.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const run = async (...argv: readonly string[]): Promise<Ran> => {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli(argv, { out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

/** The flags of a command, as its help lists them. */
export const flagsOf = async (command: string): Promise<readonly string[]> =>
  [...(await run(command, '--help')).out.matchAll(/^ {2}(?:-\w, )?(--[a-z][\w-]*)/gm)].map((m) => m[1] ?? '')

/** A network with one block, on a few digits. */
export const tinyRecipe: Partial<Recipe> = {
  model: 'b0',
  data: 'digits',
  size: 16,
  architecture: {
    inChannels: 1,
    batchNorm: { momentum: 0.8 },
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }],
  },
  epochs: 2,
  stepsPerEpoch: 3,
  batch: 8,
  optimizer: 'rmsprop',
  initialMeanSquare: 1,
  learningRate: 0.01,
  warmupEpochs: 0.5,
  emaDecay: 0.5,
  evaluationBatch: 500,
  backend: 'tfjs-wasm',
}

/** Writes the tiny recipe with changes, and returns its path. */
export const writeRecipe = async (path: string, changes: Partial<Recipe> = {}): Promise<string> => {
  await writeFile(path, JSON.stringify({ ...tinyRecipe, ...changes }))
  return path
}
