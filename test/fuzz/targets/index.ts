/** All readers of untrusted input. */
import type { FuzzTarget } from '../target.ts'
import { checkpoint } from './checkpoint.ts'
import { commandLine } from './command-line.ts'
import { graphText } from './graph-text.ts'
import { pipelineText } from './pipeline-text.ts'
import { recipes } from './recipe.ts'
import { safetensors } from './safetensors.ts'
import { torch } from './torch.ts'

/** Any target. The code that runs a target passes its cases only to the same target. */
export type AnyTarget = { [K in keyof Targets]: Targets[K] }[keyof Targets]
interface Targets {
  readonly text: FuzzTarget<string>
  readonly bytes: FuzzTarget<Uint8Array>
  readonly words: FuzzTarget<readonly string[]>
}

export const targets: readonly AnyTarget[] = [
  graphText,
  safetensors,
  torch,
  checkpoint,
  pipelineText,
  recipes,
  commandLine,
]
