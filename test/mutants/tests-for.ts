/** The test files for a source file: those of the first matching entry, nearest tests first. */

const laws = 'test/ir/op-laws.test.ts'
const ports = 'test/ir/ops/amp-ports.test.ts'
const tfjs = 'test/backends/tfjs.test.ts'
const passes = ['test/passes/laws.test.ts', 'test/passes/passes.test.ts', 'test/passes/goldens.test.ts']
const steps = ['test/passes/training-steps.test.ts', 'test/train/step.test.ts']
const runs = ['test/train/fit.test.ts', 'test/train/resume.test.ts']

const codegen = (...names: readonly string[]) => names.map((name) => `test/backends/codegen/${name}.test.ts`)
const wasm = (...names: readonly string[]) => names.map((name) => `test/backends/wasm/${name}.test.ts`)

const precision = 'test/passes/mixed-precision/amp.test.ts'

const table: readonly (readonly [prefix: string, tests: readonly string[]])[] = [
  ...['elementwise', 'movement', 'reduction', 'pooling', 'composite', 'contraction', 'training'].map(
    (group) =>
      [
        `src/ir/ops/${group}/`,
        [`test/ir/ops/${group}.test.ts`, ports, laws, 'test/ir/numerics.test.ts', precision, tfjs],
      ] as const,
  ),
  ['src/ir/ops/region/', ['test/ir/bodies.test.ts', 'test/ir/text.test.ts', laws]],
  [
    'src/ir/ops/source/',
    [
      'test/ir/ops/source.test.ts',
      'test/ir/verify.test.ts',
      'test/ir/text.test.ts',
      laws,
      'test/ir/random-streams.test.ts',
    ],
  ],
  [
    'src/ir/ops/',
    ['contraction', 'pooling', 'movement', 'reduction', 'composite']
      .map((group) => `test/ir/ops/${group}.test.ts`)
      .concat(laws),
  ],
  ['src/passes/autodiff/', ['test/passes/autodiff.test.ts', 'test/passes/composite-gradients.test.ts', ...steps]],
  ['src/passes/fusion/members.ts', ['test/passes/fusion/members.test.ts', 'test/passes/fusion/rules.test.ts']],
  [
    'src/passes/fusion/',
    [
      'test/passes/fusion/rules.test.ts',
      'test/passes/fusion/sketch.test.ts',
      'test/passes/fusion/bodies.test.ts',
      'test/passes/fusion/explain.test.ts',
      'test/passes/fusion/random-graphs.test.ts',
      'test/passes/fusion/efficientnet.test.ts',
      'test/passes/goldens.test.ts',
    ],
  ],
  [
    'src/passes/memory/',
    [
      'test/passes/memory/plan-memory.test.ts',
      'test/passes/memory/from-graph.test.ts',
      'test/passes/memory/schedule.test.ts',
      'test/passes/memory/commit-tail.test.ts',
      'test/backends/tfjs-memory.test.ts',
    ],
  ],
  [
    'src/passes/mixed-precision/painting.ts',
    ['painting', 'follow-allow', 'tensorflow-goldens', 'amp'].map(
      (name) => `test/passes/mixed-precision/${name}.test.ts`,
    ),
  ],
  [
    'src/passes/mixed-precision/explain.ts',
    ['test/passes/mixed-precision/explain.test.ts', 'test/passes/mixed-precision/decisions.test.ts'],
  ],
  [
    'src/passes/mixed-precision/',
    [
      'test/passes/mixed-precision/amp.test.ts',
      'test/passes/mixed-precision/min-cut.test.ts',
      'test/passes/mixed-precision/decisions.test.ts',
      'test/passes/mixed-precision/painting.test.ts',
      'test/passes/mixed-precision/explain.test.ts',
      'test/passes/mixed-precision/efficientnet.test.ts',
      'test/executable/amp.test.ts',
    ],
  ],
  ['src/passes/train/schedules.ts', ['test/train/schedules.test.ts']],
  ['src/passes/train/check-schedule.ts', ['test/train/schedules.test.ts']],
  ['src/passes/train/losses.ts', ['test/train/losses.test.ts', 'test/train/class-weights.test.ts', ...steps]],
  ['src/passes/train/metrics.ts', ['test/train/metrics.test.ts', 'test/train/evaluation.test.ts']],
  ['src/passes/train/evaluation.ts', ['test/train/evaluation.test.ts', 'test/train/metrics.test.ts']],
  ['src/passes/train/factories.ts', ['test/train/clip.test.ts', ...steps, 'test/passes/pipeline.test.ts']],
  ['src/passes/train/clip.ts', ['test/train/clip.test.ts', ...steps]],
  [
    'src/passes/train/accumulate.ts',
    ['test/train/accumulate-plans.test.ts', 'test/train/accumulate-runs.test.ts', ...steps],
  ],
  [
    'src/passes/train/',
    [...steps, 'test/passes/pipeline.test.ts', 'test/train/accumulate-plans.test.ts', 'test/fuzz/fuzz.test.ts'],
  ],
  ['src/passes/shrink/', ['test/passes/shrink/shrink.test.ts', 'test/testing/verify.test.ts']],
  ['src/passes/opaque-nodes', ['test/passes/batch-part.test.ts', 'test/passes/spatial-partition.test.ts']],
  ['src/passes/spatial', ['test/passes/spatial-partition.test.ts']],
  ['src/passes/batch-', ['test/passes/batch-part.test.ts', 'test/passes/batch-tables.test.ts']],
  [
    'src/passes/decompose',
    [
      'test/passes/nested-composites.test.ts',
      'test/ir/bodies.test.ts',
      'test/passes/composite-gradients.test.ts',
      'test/passes/pipeline.test.ts',
      ...passes,
    ],
  ],
  ['src/passes/simplify/', [...passes, 'test/passes/training-steps.test.ts']],
  ['src/passes/rewrite/', [...passes, 'test/passes/pipeline.test.ts', 'test/passes/long-chains.test.ts']],
  ['src/passes/check-result.ts', ['test/passes/bad-passes.test.ts', 'test/passes/check-meaning.test.ts']],
  [
    'src/passes/check-',
    ['test/passes/check-meaning.test.ts', 'test/passes/check-regions.test.ts', 'test/passes/bad-passes.test.ts'],
  ],
  ['src/passes/compare-results.ts', ['test/passes/check-meaning.test.ts', 'test/passes/check-regions.test.ts']],
  ['src/passes/cut-graph.ts', ['test/passes/check-regions.test.ts', 'test/passes/regions-of-random-graphs.test.ts']],
  [
    'src/passes/paired-values.ts',
    ['test/passes/check-regions.test.ts', 'test/passes/regions-of-random-graphs.test.ts'],
  ],
  ['src/passes/registry.ts', ['test/passes/composite-gradients.test.ts', 'test/passes/pipeline.test.ts']],
  [
    'src/passes/random-feeds.ts',
    ['test/passes/random-feeds.test.ts', 'test/passes/check-meaning.test.ts', 'test/passes/check-regions.test.ts'],
  ],
  [
    'src/passes/program',
    ['test/passes/program.test.ts', 'test/backends/program.test.ts', 'test/train/accumulate-plans.test.ts'],
  ],
  ['src/passes/verify-counters.ts', ['test/passes/program.test.ts', 'test/train/accumulate-plans.test.ts']],
  [
    'src/passes/inline-derived.ts',
    [
      'test/passes/inline-derived.test.ts',
      'test/passes/check-meaning.test.ts',
      'test/passes/check-regions.test.ts',
      'test/passes/passes.test.ts',
    ],
  ],
  ['src/passes/verify-program.ts', ['test/passes/program.test.ts', 'test/backends/program.test.ts']],
  [
    'src/passes/runner.ts',
    ['test/passes/pipeline.test.ts', 'test/passes/bad-passes.test.ts', 'test/passes/stages.test.ts'],
  ],
  ['src/passes/to-training.ts', ['test/passes/stages.test.ts', ...steps, 'test/passes/goldens.test.ts']],
  [
    'src/passes/',
    [
      ...passes,
      'test/passes/pipeline.test.ts',
      'test/passes/training-steps.test.ts',
      'test/passes/bad-passes.test.ts',
      'test/executable/executable.test.ts',
    ],
  ],
  [
    'src/backends/codegen/kernel/',
    codegen(
      'split-reduction',
      'recomputation',
      'reshape',
      'kernel-text',
      'pack',
      'phases',
      'kernel',
      'schedules',
      'replay',
    ),
  ],
  ['src/backends/codegen/loops/default-schedule.ts', codegen('default-schedule', 'schedules', 'kernel', 'block-sums')],
  ['src/backends/codegen/loops/sized-loops.ts', codegen('sized-loops', 'kernel')],
  ['src/backends/codegen/loops/', codegen('schedules', 'phases', 'kernel', 'replay', 'block-sums')],
  ['src/backends/wasm/elementary/', wasm('elementary', 'ops', 'zeros')],
  ...['instructions', 'function-body', 'encoder'].map(
    (name) => [`src/backends/wasm/${name}.ts`, wasm('memory-instructions', 'instructions', 'module', 'ops')] as const,
  ),
  ...['kernel-library', 'compile-step'].map(
    (name) => [`src/backends/wasm/${name}.ts`, wasm('kernel-library', 'memory', 'wasm')] as const,
  ),
  ['src/backends/wasm/in-place.ts', wasm('in-place', 'memory')],
  ['src/backends/wasm/bytes.ts', wasm('bytes', 'module')],
  ['src/backends/wasm/runtime/probe.ts', wasm('instructions', 'wasm', 'failures')],
  ['src/backends/wasm/runtime/', [...wasm('allocator', 'memory', 'failures', 'module'), 'test/backends/store.test.ts']],
  [
    'src/backends/wasm/',
    [
      ...wasm('module', 'ops', 'zeros', 'half', 'random', 'memory', 'failures'),
      ...codegen('schedules'),
      ...wasm('wasm'),
      'test/backends/program.test.ts',
      'test/backends/shared-buffers.test.ts',
    ],
  ],
  [
    'src/backends/tfjs/webgpu/large.ts',
    ['test/backends/tfjs-webgpu-limits.test.ts', 'test/backends/tfjs-webgpu.test.ts'],
  ],
  ['src/backends/tfjs/webgpu/', ['test/backends/tfjs-webgpu.test.ts', 'test/backends/tfjs-webgpu-limits.test.ts']],
  ['src/backends/tfjs/open.ts', ['test/backends/find-adapter.test.ts', 'test/backends/tfjs-webgpu.test.ts', tfjs]],
  ['src/backends/tfjs/lower/fusion.ts', [tfjs, 'test/backends/tfjs-webgpu.test.ts']],
  ['src/backends/tfjs/lower/sums.ts', ['test/backends/tfjs-sums.test.ts', 'test/backends/tfjs-large.test.ts', tfjs]],
  ['src/backends/tfjs/half.ts', ['test/backends/half.test.ts', 'test/executable/amp.test.ts']],
  ['src/backends/tfjs/memory.ts', ['test/backends/tfjs-memory.test.ts', tfjs]],
  [
    'src/backends/tfjs/',
    [
      tfjs,
      'test/backends/tfjs-large.test.ts',
      'test/backends/tfjs-memory.test.ts',
      'test/backends/shared-buffers.test.ts',
      'test/backends/not-finite.test.ts',
      'test/passes/passes.test.ts',
      'test/executable/amp.test.ts',
      'test/backends/tfjs-webgpu.test.ts',
    ],
  ],
  ['src/backends/common/strided-copy.ts', ['test/backends/strided-copy.test.ts']],
  [
    'src/backends/common/',
    [
      'test/backends/store.test.ts',
      'test/backends/run-steps.test.ts',
      'test/backends/program.test.ts',
      'test/executable/turns.test.ts',
      tfjs,
    ],
  ],
  ['src/train/directory', ['test/train/directory.test.ts', 'test/cli/run-folder.test.ts']],
  ['src/train/progress.ts', ['test/cli/progress.test.ts', 'test/train/progress.test.ts', 'test/train/fit.test.ts']],
  ['src/train/draw-batches.ts', ['test/train/draw-batches.test.ts', ...runs]],
  ['src/train/beta.ts', ['test/train/mixup.test.ts']],
  ['src/train/evaluat', ['test/train/evaluation.test.ts', 'test/train/metrics.test.ts', 'test/train/fit.test.ts']],
  ['src/train/run-state.ts', ['test/train/resume.test.ts', 'test/fuzz/fuzz.test.ts']],
  [
    'src/train/',
    [
      ...runs,
      'test/train/evaluation.test.ts',
      'test/train/fresh.test.ts',
      'test/train/mixup.test.ts',
      'test/train/crop.test.ts',
    ],
  ],
]

export const testsFor = (file: string): readonly string[] => {
  const found = table.find(([prefix]) => file.startsWith(prefix))
  if (found === undefined) throw new Error(`no tests are named for ${file}`)
  return found[1]
}
