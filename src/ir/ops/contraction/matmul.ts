import { flag, floatOrNull, withDefault } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp, RefTensor } from '../../op-def.ts'
import { elements, isFloat, sameShape, showType } from '../../types.ts'
import { resultDtype } from './shared.ts'

export const matmulDoc: OpDoc = {
  summary: 'Matrix product over the last two axes: a [B...,M,K], b [B...,K,N] -> [B...,M,N]; each may be transposed.',
  constraints: [
    'C1: rank 2 or more, equal ranks',
    'C2: equal float dtypes',
    'C3: equal leading sizes',
    'C4: the inner sizes agree',
    'C5: resultDtype is null or not narrower than the operands',
    'C6: sums in the widest type at hand; order free',
  ],
  example: `graph example {
  %0 = input() {name="a"} : float32[2,3]
  %1 = input() {name="b"} : float32[3,4]
  %2 = matmul(%0, %1) : float32[2,4]
  return y = %2
}`,
}

export const matmul: OpDef<'matmul'> = {
  name: 'matmul',
  level: 'primitive',
  arity: 2,
  attrs: {
    transposeA: withDefault(flag, false),
    transposeB: withDefault(flag, false),
    resultDtype: withDefault(floatOrNull, null),
  },
  infer: ([a, b], { transposeA, transposeB, resultDtype: wanted }) => {
    const rank = a.shape.length
    if (rank < 2 || b.shape.length !== rank) return `C1: ${showType(a)} and ${showType(b)}`
    if (a.dtype !== b.dtype || !isFloat(a.dtype))
      return `C2: equal float dtypes are needed, got ${a.dtype} and ${b.dtype}`
    const batch = a.shape.slice(0, -2)
    if (!sameShape(batch, b.shape.slice(0, -2))) return `C3: leading sizes differ: ${showType(a)} and ${showType(b)}`
    const [m, k] = matrixOf(a.shape, transposeA)
    const [k2, n] = matrixOf(b.shape, transposeB)
    if (k !== k2) return `C4: inner sizes differ: ${k} and ${k2}`
    const dtype = resultDtype(a, wanted)
    return dtype === null
      ? `C5: the result cannot be ${wanted} where the operands are ${a.dtype}`
      : [{ dtype, shape: [...batch, m, n] }]
  },
  evalRef: ({ inputs: [a, b], attrs: { transposeA, transposeB } }) => {
    const [m, k] = matrixOf(a.shape, transposeA)
    const [, n] = matrixOf(b.shape, transposeB)
    const count = elements(a.shape.slice(0, -2))
    const out = new Float64Array(count * m * n)
    const [left, right] = [rowMajor(a, transposeA, count), rowMajor(b, transposeB, count)]
    for (let at = 0; at < count; at++) {
      for (let i = 0; i < m; i++) {
        const row = (at * m + i) * n
        for (let p = 0; p < k; p++) {
          const x = left[(at * m + i) * k + p] as number
          const from = (at * k + p) * n
          for (let j = 0; j < n; j++) out[row + j] = (out[row + j] as number) + x * (right[from + j] as number)
        }
      }
    }
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'contraction',
  tolerance: 'accumulation',
  cost: ([a], [y], { transposeA }) => ({
    multiplyAdds: elements(y.shape) * matrixOf(a.shape, transposeA)[1],
    operations: 0,
  }),
}

export const matmulVjp: OpVjp<'matmul'> = ({ outGrads: [g], inputs: [x, y], attrs: { transposeA, transposeB }, b }) => {
  const dy = b.cast(g, x.dtype)
  // With A = op(a), B = op(b): dA = dY B^T, dB = A^T dY, transposed if the operand is.
  const da = transposeA
    ? b.matmul(y, dy, { transposeA: transposeB, transposeB: true })
    : b.matmul(dy, y, { transposeB: !transposeB })
  const db = transposeB
    ? b.matmul(dy, x, { transposeA: true, transposeB: transposeA })
    : b.matmul(x, dy, { transposeA: !transposeA })
  return [da, db]
}

/** Rows and columns, after transposing. */
const matrixOf = (shape: readonly number[], isTransposed: boolean): readonly [number, number] => {
  const [rows = -1, columns = -1] = shape.slice(-2)
  return isTransposed ? [columns, rows] : [rows, columns]
}

const rowMajor = (x: RefTensor, isTransposed: boolean, count: number): Float64Array => {
  if (!isTransposed) return x.data
  const [rows = 1, columns = 1] = x.shape.slice(-2)
  const out = new Float64Array(x.data.length)
  for (let at = 0; at < count; at++) {
    const base = at * rows * columns
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) out[base + j * rows + i] = x.data[base + i * columns + j] as number
  }
  return out
}
