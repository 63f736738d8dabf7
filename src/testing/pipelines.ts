/** Random pipelines of passes that keep what a graph computes. */
import type { Pipeline } from '../passes/pipeline.ts'
import { parsePipeline } from '../passes/registry.ts'
import { type Arbitrary, fc } from './fast-check.ts'

export interface PipelineText {
  readonly pipeline: Pipeline
  /** As parsePipeline() and `effuse opt --passes` read it. */
  readonly text: string
}

const keeping = ['simplify', 'fold-constants', 'cse', 'dce', 'decompose', 'fuse'] as const

/** Inference pipelines: `to-inference`, then up to six passes in any order, also repeated. Shrinking removes passes. */
export const anyPipeline = (): Arbitrary<PipelineText> =>
  fc.array(fc.constantFrom(...keeping), { maxLength: 6 }).map((names) => {
    const text = ['to-inference', ...names].join(',')
    return { pipeline: parsePipeline(text), text }
  })
