/** The event file, parsed again: its framing with masked checksums, and its numbers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import '@tensorflow/tfjs-backend-cpu'
import { afterEach, describe, expect, test } from 'vitest'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import type { StepEvent, TrainingEvent } from '../../src/train/events.ts'
import { fit } from '../../src/train/fit.ts'
import { tensorBoard } from '../../src/train/tensor-board.ts'
import { bindingReason, hasBinding } from '../support/tensorflow.ts'
import { pictures, smallNet } from './small-data.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'effuse-board-'))
  folders.push(folder)
  return folder
}

/** CRC-32C (Castagnoli), bit by bit. */
const crc32c = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

/** Records of a TFRecord file: length, its checksum, data, its checksum. */
const records = (file: Uint8Array): readonly Uint8Array[] => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const found: Uint8Array[] = []
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true))
    expect(view.getUint32(at + 8, true)).toBe(masked(crc32c(file.subarray(at, at + 8))))
    const data = file.subarray(at + 12, at + 12 + length)
    expect(view.getUint32(at + 12 + length, true)).toBe(masked(crc32c(data)))
    found.push(data)
    at += 16 + length
  }
  return found
}

interface Scalar {
  readonly step: number
  readonly tag: string
  readonly value: number
}

/** Fields of a message by number; the last value of each. */
const fields = (bytes: Uint8Array): ReadonlyMap<number, Uint8Array | number | bigint> => {
  const reader = new BinaryReader(bytes)
  const found = new Map<number, Uint8Array | number | bigint>()
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag()
    if (wire === 0) found.set(number, BigInt(reader.int64()))
    else if (wire === 2) found.set(number, reader.bytes())
    else if (wire === 5) found.set(number, reader.float())
    else reader.skip(wire)
  }
  return found
}

/** Event { step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2, tensor = 8 { float_val = 5, tensor_content = 4 } } } } */
const scalarsIn = (folder: string): readonly Scalar[] => {
  const [name = ''] = readdirSync(folder).filter((file) => file.includes('tfevents'))
  return records(new Uint8Array(readFileSync(join(folder, name)))).flatMap((record) => {
    const event = fields(record)
    const summary = event.get(5)
    if (!(summary instanceof Uint8Array)) return []
    const value = fields(fields(summary).get(1) as Uint8Array)
    const tensor = value.get(8)
    const packed = tensor instanceof Uint8Array ? (fields(tensor).get(5) ?? fields(tensor).get(4)) : value.get(2)
    const number =
      packed instanceof Uint8Array ? new DataView(packed.buffer, packed.byteOffset).getFloat32(0, true) : Number(packed)
    return [
      { step: Number(event.get(2) ?? 0), tag: new TextDecoder().decode(value.get(1) as Uint8Array), value: number },
    ]
  })
}

test('the checksum is CRC-32C', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
})

test('an invalid folder is rejected', async () => {
  await expect(tensorBoard('')).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringContaining('takes the path of a folder'),
  })
})

describe.runIf(hasBinding)(`tensorBoard()${bindingReason}`, () => {
  test('writes the numbers of a run, and does not change tfjs', async () => {
    await tf.setBackend('cpu')
    const kept = tf.tensor1d([1, 2, 3])
    const folder = newFolder()
    const board = await tensorBoard(folder)
    const before = tf.memory()
    const events: TrainingEvent[] = []
    using result = await fit(smallNet(), {
      data: { train: pictures(24), test: pictures(12) },
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 0.01 }),
      epochs: 2,
      batch: 12,
      backend: 'tfjs-cpu',
      onEvent: (event) => {
        events.push(event)
        board(event)
      },
    })
    expect(result.steps).toBe(4)
    const scalars = scalarsIn(folder)
    const steps = events.filter((event): event is StepEvent => event.kind === 'step')
    const curve = (tag: string) => scalars.filter((scalar) => scalar.tag === tag)
    expect(curve('train/loss')).toEqual(
      steps.map(({ step, loss }) => ({ step, tag: 'train/loss', value: Math.fround(loss) })),
    )
    expect(curve('train/learningRate').map(({ value }) => value)).toEqual(steps.map(() => Math.fround(0.01)))
    expect(curve('evaluation/top1').map(({ step }) => step)).toEqual([2, 4])
    expect(curve('evaluation/emaTop1')).toEqual([])
    expect(tf.getBackend()).toBe('cpu')
    expect(tf.memory().numTensors).toBe(before.numTensors)
    expect([...(await kept.data())]).toEqual([1, 2, 3])
    kept.dispose()
  })
})
