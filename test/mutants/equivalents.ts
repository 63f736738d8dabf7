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
  {
    name: 'src/backends/wasm/bytes.ts: bound: "<" is "<=" in else for (let i = 0; i < values.length; i++) this.#bytes[thi',
    proof:
      'The additional write puts 0 behind the written bytes, or beyond the end of the array, where it is ignored. Each byte behind the written ones is written before the length includes it, and nothing reads it before.',
  },
  {
    name: 'src/backends/wasm/runtime/control.ts: axis: "0" is "1" in bell: 0,',
    proof:
      'The number is the place of a word of its own. Word 1 is free, lies in the same cache line as word 0, and all threads take the place from this table.',
  },
  {
    name: 'src/backends/wasm/runtime/thread-pool.ts: axis: "0" is "1" in #ids = 0',
    proof:
      'The ids of orders are compared only for equality. They begin at 2 instead of 1, so they are still distinct and differ from 0, the id of the report that a thread is ready.',
  },
  {
    name: 'src/passes/train/losses.ts: axis: "1" is "0" in const classes = logits.shape[1] ?? 1 (2)',
    proof:
      'targets() runs first and refuses outputs without logits of rank 2, so shape[1] is never undefined and the other number is not used.',
  },
  {
    name: 'src/passes/fusion/clusters.ts: axis: "0" is "1" in #versions = 0',
    proof: 'Versions are compared only for equality. A count from 1 gives as many distinct numbers as a count from 0.',
  },
  {
    name: 'src/backends/tfjs/lower/elementwise.ts: missing case: "sizeOfView(a) === 1 ? [b, a] : [a, b]" is "([a, b])" in const [x, y] = sizeOfView(a) === 1 ? [b, a] : [a, b] // the ',
    proof:
      'Math.max and Math.min are symmetric, also for NaN and zeros. The operand of one number is expanded to the shape of the result instead of being read again at each step, so each step has the same two numbers. Only time and memory differ.',
  },
  {
    name: 'src/backends/tfjs/lower/elementwise.ts: sign: "-" is "+" in operand.some((size, i) => size !== result[result.length - op',
    proof:
      'The condition decides only whether the operands are expanded to the shape of the result before the kernel, or by the kernel. An expanded operand has the same number at each place. Only time and memory differ.',
  },
  {
    name: 'src/backends/tfjs/webgpu/large.ts: axis: "1" is "0" in const [m, n, k] = [p.i(rows ?? 1), p.i(columns), p.i(inner ? (2)',
    proof: 'The operand is [B, M, K], of rank 3, so inner is never undefined and the other number is not used.',
  },
  {
    name: 'src/passes/memory/schedule.ts: bound: "max" is "min" in return Math.max(most, bytes)',
    proof:
      'The bound becomes 0 and is used only to end the search early. No order needs less than the true bound, and a later order replaces the best one only if it needs less, so the search finds the same order. Only time differs.',
  },
  {
    name: 'src/ir/ops/pooling/winners.ts: axis: "0" is "1" in let picked = b.like(largest, 0)',
    proof:
      'Each window has an element of the image (the type rule refuses others), and the first one that is its maximum or NaN replaces this number, so it is not in the result.',
  },
  {
    name: 'src/ir/ops/elementwise/remainder.ts: missing case: "a.dtype === \'int32\' ? (x, y) => (y === 0 ? 0 : x % y) : (x, " is "((x, y) => x % y)" in mapBinary(a, b, a.dtype === \'int32\' ? (x, y) => (y === 0 ? 0',
    proof:
      'For int32 the remainder by 0 is then NaN, and the interpreter applies wrapInt32 to all int32 results, which turns NaN into 0.',
  },
  {
    name: 'src/backends/codegen/loops/values.ts: axis: "0" is "1" in return Math.max(0, Math.ceil(-least))',
    proof:
      'The lift is any integer that makes the dividend nonnegative. It is added as a multiple of the divisor before the division and subtracted after it, so a larger one gives the same quotient.',
  },
  {
    name: 'src/backends/codegen/loops/values.ts: axis: "2" is "3" in const onColumn = this.#onColumn.has(expr) ? 2 * column + (th',
    proof:
      'The number is a part of a key. 3 column and 3 column + 1 are distinct for all columns and both kinds of lanes, as 2 column and 2 column + 1 are, and a tile has far fewer columns than a third of the room for this part.',
  },
  {
    name: 'src/backends/codegen/loops/interpret.ts: axis: "0" is "1" in return { numbers: all.map(one), dtype: (all[0] as Value).dty',
    proof:
      'A vector of lanes has four, which are made from one expression at four points or from four positions, so all have the dtype of the first.',
  },
  {
    name: 'src/backends/codegen/loops/guards.ts: attribute: "some" is "every" in if (at.terms.some((term) => term.axis !== axis && term.axis ',
    proof:
      'The loop of an axis is divided at the ends of its interior. The interior becomes smaller, as coordinates that depend on two parallel axes limit it too; it stays on the axis, and points outside of it keep all bounds checks. So the results are the same. Only time differs.',
  },
  {
    name: 'src/passes/batch-axis.ts: axis: "0" is "1" in const rank = x?.shape.length ?? 0',
    proof: 'A matrix product has two operands, so x is never undefined and the other number is not used.',
  },
]
