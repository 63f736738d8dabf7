/** Mutants that compute the same as the source, so that no test can detect them, each with its proof. They are not judged. */
export interface Equivalent {
  readonly name: string
  readonly proof: string
}

export const equivalents: readonly Equivalent[] = [
  {
    name: 'src/ir/ops/shape.ts: axis: "1" is "0" in if (next < (shape[axis] ?? 1)) {',
    proof:
      'The loop takes axis from shape.length - 1 down to 0, so shape[axis] is never undefined and the other number is not used.',
  },
  {
    name: 'src/train/stage-runner.ts: axis: "1" is "0" in const evaluationBatch = Math.min(options.evaluationBatch ??  (2)',
    proof: 'The number stands in Math.max(1, length ?? 1). Math.max(1, 0) and Math.max(1, 1) are both 1.',
  },
  {
    name: 'src/backends/codegen/loops/reductions.ts: axis: "0" is "1" in const place = orderedBy === null ? 0 : this.#bindings.affine',
    proof:
      'orderedBy is the same for all terms. If it is null, all places are this one number. The places are used only as keys of a stable sort, which keeps the order of equal keys.',
  },
  {
    name: 'src/backends/tfjs/lower/training.ts: bound: "<" is "<=" in for (let i = 0; i < nextW.length; i++) { (3)',
    proof:
      'The arrays are typed arrays. The additional iteration reads undefined beyond their ends, which gives NaN and no error, and typed arrays ignore writes beyond their ends.',
  },
]
