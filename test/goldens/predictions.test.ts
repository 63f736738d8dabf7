import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { imagenetLabels } from '../../src/models/imagenet-labels.ts'

interface Predictions {
  readonly photos: {
    readonly [photo: string]: {
      readonly sha256: string
      readonly labels: readonly string[]
      readonly float64: { readonly top5: readonly number[] }
    }
  }
}

const golden: Predictions = JSON.parse(
  readFileSync(new URL('./efficientnet/predictions-lite0.json', import.meta.url), 'utf8'),
)

test('there are 1000 different labels', () => {
  expect(imagenetLabels.length).toBe(1000)
  expect(new Set(imagenetLabels).size).toBe(1000)
  expect(imagenetLabels.every((label) => label.length > 0 && label.trim() === label)).toBe(true)
})

test('the labels have the names that PyTorch gives to the predicted classes', () => {
  expect(Object.keys(golden.photos).length).toBe(5)
  for (const { labels, float64 } of Object.values(golden.photos)) {
    expect(float64.top5.map((index) => imagenetLabels[index])).toEqual(labels)
  }
})

test('the photographs have the bytes that PyTorch read', async () => {
  for (const [photo, { sha256 }] of Object.entries(golden.photos)) {
    const file = fileURLToPath(new URL(`./photos/${photo}.png`, import.meta.url))
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true })
    expect([info.width, info.height, info.channels]).toEqual([224, 224, 3])
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256)
  }
})
