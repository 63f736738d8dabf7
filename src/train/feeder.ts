/** Turns a source's batch into the feeds of one run: checks each row, converts labels to the loss's form, and pads short batches. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { Signature, TensorType } from '../ir/value.ts'
import { mixColumn, mixupShares, type MixupPosition } from './mixup.ts'
import type { Batch, Column } from './source.ts'

/** The origin of a batch, for messages. */
export interface BatchPlace {
  readonly epoch: number
  readonly batch: number
}
export interface Fed {
  readonly feeds: { readonly [input: string]: Column }
  /** Rows from the source; the rest of the batch is padding. */
  readonly rows: number
}
export interface Feeder {
  /** @throws EffuseError EF701 */
  feed(columns: Batch, place: BatchPlace, mixup?: MixupPosition | null): Fed
}

export interface FeederOptions {
  /** Inputs that the source has columns for. */
  readonly inputs: Signature
  /** Rows of one run. */
  readonly batch: number
  /** Number of classes. */
  readonly classes: number
  /** Names of the inputs that are distributions over classes. */
  readonly distributions?: readonly string[] | undefined
}

/** The input of class labels, by the name that crossEntropy() gives it. */
const labelName = 'label'

export const makeFeeder = ({ inputs, batch, classes, distributions = [] }: FeederOptions): Feeder => {
  const wanted = Object.entries(inputs).map(([name, type]) => ({ name, type, rowSize: rowSize(name, type) }))
  const names = wanted.map(({ name }) => name)
  return {
    feed: (columns, place, mixup = null) => {
      if (typeof columns !== 'object' || columns === null)
        throw misfit(place, `${showGiven(columns)} as a batch, not an object of columns: ${names.join(', ')}`)
      for (const name of Object.keys(columns))
        if (!Object.hasOwn(inputs, name))
          throw misfit(place, `a column "${name}", which is not an input; the inputs are ${names.join(', ')}`)
      checkChannels(columns, inputs, place)
      const rows = rowsOf(columns, wanted, batch, place)
      const feeds: { [input: string]: Column } = {}
      for (const { name, type, rowSize: size } of wanted) {
        const column = columns[name] as Column // rowsOf() has checked it
        const isIndex = name === labelName && column.length === rows && !(column instanceof Float32Array)
        if (isIndex) checkLabels(column, classes, place)
        feeds[name] = isIndex && isDistribution(type, classes) ? oneHot(column, classes) : column
        if ((feeds[name] as Column).length !== rows * size)
          throw misfit(
            place,
            `${column.length} values of "${name}", ${size} a row, for ${rows} rows`,
            name === labelName ? labelHint(type, column.length / rows, classes) : undefined,
          )
        if (!isIndex && distributions.includes(name)) checkDistribution(name, column, size, place)
      }
      if (mixup !== null && mixup.alpha > 0) blend(feeds, rows, mixup, place)
      return { feeds: rows === batch ? feeds : filledUp(feeds, rows, batch), rows }
    },
  }
}

interface Wanted {
  readonly name: string
  readonly type: TensorType
  readonly rowSize: number
}

const rowSize = (name: string, { shape }: TensorType): number => {
  const [rows, ...rest] = shape
  if (rows !== 'batch' || rest.includes('batch'))
    throw new EffuseError({
      code: 'EF701',
      message: `the first dimension of each input must be the batch, and only the first; the input "${name}" is [${shape.join(',')}]`,
    })
  return rest.reduce<number>((product, size) => product * Number(size), 1)
}

/** The first input determines how many rows a batch has. */
const rowsOf = (columns: Batch, wanted: readonly Wanted[], batch: number, place: BatchPlace): number => {
  for (const { name } of wanted) {
    const column = columns[name]
    if (column === undefined) throw misfit(place, `no column "${name}"`)
    if (!ArrayBuffer.isView(column)) throw misfit(place, `${showGiven(column)} as "${name}", not a typed array`)
  }
  const [first] = wanted
  if (first === undefined) throw misfit(place, 'nothing to feed: the model has no inputs')
  const { length } = columns[first.name] as Column // just checked
  const rows = length / first.rowSize
  if (!Number.isInteger(rows) || rows < 1)
    throw misfit(place, `${length} values of "${first.name}", which has ${first.rowSize} a row`)
  if (rows > batch) throw misfit(place, `${rows} rows, but at most ${batch} were requested`)
  return rows
}

const isDistribution = ({ dtype, shape }: TensorType, classes: number): boolean =>
  dtype === 'float32' && shape.length === 2 && shape[1] === classes

/** One-hot labels where class indices are expected, and the reverse. */
const labelHint = ({ dtype, shape }: TensorType, given: number, classes: number): string | undefined =>
  dtype === 'int32' && shape.length === 1 && given === classes
    ? "for one-hot labels and other distributions use crossEntropy({ labels: 'distribution' }) and a Float32Array; otherwise give the class index of each row"
    : dtype === 'float32' && given === 1
      ? 'class indices must be an Int32Array; a Float32Array means distributions, with a share for each class'
      : undefined

const checkLabels = (labels: Column, classes: number, place: BatchPlace): void => {
  const row = labels.findIndex((label: number) => label < 0 || label >= classes)
  if (row >= 0)
    throw misfit(place, `the label ${labels[row]} in row ${row}; there are ${classes} classes, 0 to ${classes - 1}`)
}

/** Tolerance of a distribution's sum: for float32 rounding, and for values that a person rounded. */
const sumTolerance = 1e-3

const checkDistribution = (name: string, column: Column, classes: number, place: BatchPlace): void => {
  for (let row = 0; row * classes < column.length; row++) {
    const values = column.subarray(row * classes, (row + 1) * classes)
    const fault = (what: string): EffuseError =>
      misfit(
        place,
        `row ${row} of "${name}", a distribution over ${classes} classes, ${what}`,
        'shares of at least 0 whose sum is 1',
      )
    const negative = values.find((value) => value < 0)
    if (negative !== undefined) throw fault(`with the share ${negative}`)
    let sum = 0
    for (const value of values) sum += value
    // The step reports where NaN is.
    if (Math.abs(sum - 1) > sumTolerance) throw fault(`whose sum is ${Number(sum.toPrecision(6))}`)
  }
}

/** Pictures with another number of channels: as many rows as labels, and everything else fits. */
const checkChannels = (columns: Batch, inputs: Signature, place: BatchPlace): void => {
  const rows = columns[labelName]?.length
  const image = columns['image']?.length
  const [, height, width, channels] = inputs['image']?.rank === 4 ? inputs['image'].shape.map(Number) : []
  if (inputs[labelName]?.rank !== 1 || rows === undefined || image === undefined || channels === undefined) return
  const given = image / (rows * Number(height) * Number(width))
  if (given !== channels && [1, 2, 3, 4].includes(given))
    throw misfit(
      place,
      `pictures of ${given} ${given === 1 ? 'channel' : 'channels'} as "image", but the model takes ${channels}`,
      `declare the input "image" with ${given} channels (efficientNet: inChannels: ${given}), or give pictures of ${channels}`,
    )
}

const oneHot = (labels: Column, classes: number): Float32Array<ArrayBuffer> => {
  const rows = new Float32Array(labels.length * classes)
  labels.forEach((label: number, row: number) => {
    rows[row * classes + label] = 1
  })
  return rows
}

const blend = (feeds: { [input: string]: Column }, rows: number, mixup: MixupPosition, place: BatchPlace): void => {
  const shares = mixupShares(rows, mixup)
  for (const [name, column] of Object.entries(feeds)) {
    if (column instanceof Int32Array)
      throw misfit(
        place,
        `indices as "${name}", which mixup cannot blend`,
        "mixup needs a loss that takes distributions: crossEntropy({ labels: 'distribution' })",
      )
    feeds[name] = mixColumn(column, shares)
  }
}

const filledUp = (
  feeds: { readonly [input: string]: Column },
  rows: number,
  batch: number,
): { readonly [input: string]: Column } =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, column]): [string, Column] => {
      const length = (column.length / rows) * batch
      const full =
        column instanceof Float32Array
          ? new Float32Array(length)
          : column instanceof Int32Array
            ? new Int32Array(length)
            : new Uint8Array(length)
      full.set(column)
      return [name, full]
    }),
  )

const misfit = ({ epoch, batch }: BatchPlace, came: string, hint?: string): EffuseError =>
  new EffuseError({ code: 'EF701', message: `the data source gave ${came} (batch ${batch} of epoch ${epoch})`, hint })

/** Describes the first number in the feeds that is not finite; null if all are finite. */
export const nonFiniteFeed = (feeds: { readonly [input: string]: Column }, batch: number): string | null => {
  for (const [name, column] of Object.entries(feeds)) {
    if (!(column instanceof Float32Array)) continue
    const at = column.findIndex((x) => !Number.isFinite(x))
    if (at >= 0) return `"${name}" holds ${column[at]} in row ${Math.floor(at / (column.length / batch))}`
  }
  return null
}
