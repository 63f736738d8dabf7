/** Weights as bytes: variables to safetensors and back. Everything is checked before anything changes. Loaded when a program saves or loads. */
import { type HostArray, hostArrayOf } from '../backends/backend.ts'
import type { VariableSpec } from './variable-spec.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { isFloat, isHalf, sameShape, showType, type Type } from '../ir/types.ts'
import { readVerified, writeOwnFile } from '../io/checksums.ts'
import type { WeightsFormat } from '../io/recognize.ts'
import { startsAsSafetensors } from '../io/safetensors-header.ts'
import { type TensorEntry, tensorEntry, toFloat32, toInt32 } from '../io/tensor-entry.ts'
import { listed } from '../ir/listed.ts'

export interface WeightsEntry {
  readonly name: string
  readonly type: Type
  readonly data: HostArray
}

/** A safetensors file of the variables, each in its own dtype. */
export const encodeWeights = (
  entries: Iterable<WeightsEntry>,
  metadata: { readonly [key: string]: string },
): Uint8Array<ArrayBuffer> =>
  writeOwnFile(
    [...entries].map(({ name, type, data }) => tensorEntry(name, type.dtype, type.shape, data)),
    metadata,
  )

/**
 * The values of all wanted variables, or an error. Half types widen to float32 without loss; nothing is narrowed.
 *
 * @param ignored Names in the file that are not needed and are not an error.
 * @throws EffuseError EF502, EF503, EF509 (the file), EF505, with a list of every missing, surplus and wrongly shaped entry.
 */
export const decodeWeights = async (
  bytes: Uint8Array,
  wanted: readonly VariableSpec[],
  ignored: (name: string) => boolean,
  { fileName, verify }: { readonly fileName?: string | undefined; readonly verify?: boolean | undefined } = {},
): Promise<ReadonlyMap<string, HostArray>> => {
  if (!startsAsSafetensors(bytes) && (await recognized(bytes, fileName)) !== 'safetensors') {
    throw new EffuseError({
      code: 'EF502',
      message: 'variables are loaded from safetensors; this is a PyTorch checkpoint',
      hint: "openModel() reads it, and gives the weights in the model's names and layouts",
    })
  }
  const { tensors } = readVerified(bytes, fileName, verify)
  const faults: string[] = []
  const values = new Map<string, HostArray>()
  for (const { name, type } of wanted) {
    const entry = tensors.get(name)
    if (entry === undefined) faults.push(`missing: "${name}" ${showType(type)}`)
    else if (!sameShape(entry.shape, type.shape) || !fits(entry, type))
      faults.push(`"${name}" is ${entry.dtype}[${entry.shape.join(',')}] in the file, ${showType(type)} in the model`)
    else values.set(name, hostArrayOf(type.dtype, isFloat(type.dtype) ? toFloat32(entry) : toInt32(entry)))
  }
  const names = new Set(wanted.map((spec) => spec.name))
  for (const name of tensors.keys()) if (!names.has(name) && !ignored(name)) faults.push(`not in the model: "${name}"`)
  if (faults.length > 0) throw misfit(faults, wanted.length)
  return values
}

/** Loaded on demand, because it knows many formats and few files need it. @throws EffuseError EF502 */
const recognized = async (bytes: Uint8Array, fileName: string | undefined): Promise<WeightsFormat> =>
  (await import('../io/recognize.ts')).recognizeWeights(bytes, fileName)

/** Widening is exact; an integer is never accepted for a float. */
const fits = (entry: TensorEntry, type: Type): boolean =>
  entry.dtype === type.dtype || (type.dtype === 'float32' && isHalf(entry.dtype))

const misfit = (faults: readonly string[], count: number): EffuseError =>
  new EffuseError({
    code: 'EF505',
    message: `the weights do not fit the model (${faults.length} faults, ${count} variables); nothing was changed:${listed(faults)}`,
    hint: 'openModel(file) takes the model from the file, openModel(file, { model }) the weights out of a checkpoint; load(file, { except: globs }) leaves variables out, fit({ variables, fresh: globs }) says which are new',
  })
