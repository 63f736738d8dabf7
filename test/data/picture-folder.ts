/** Folders of small pictures for tests. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import type { LabelledBatch } from '../../src/data/request.ts'

/** A picture with one color, which crops and resizes do not change, so that a row identifies its picture. */
export const flat = async (value: number, [width, height]: readonly [number, number] = [20, 16]): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } })
    .png()
    .toBuffer()

/** From dark to bright from left to right, so that a row shows its crop and its mirroring. */
export const ramp = async (width: number, height: number): Promise<Buffer> =>
  sharp(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
      return i % 3 === 0 ? Math.round((255 * x) / (width - 1)) : i % 3 === 1 ? Math.round((255 * y) / (height - 1)) : 7
    }),
    { raw: { width, height, channels: 3 } },
  )
    .png()
    .toBuffer()

const folders: string[] = []
/** A folder with these files; null is an empty folder. `removeFolders` deletes it. */
export const folderOf = async (files: { readonly [path: string]: Uint8Array | string | null }): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'effuse-folder-'))
  folders.push(root)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(content === null ? join(root, path) : dirname(join(root, path)), { recursive: true })
    if (content !== null) await writeFile(join(root, path), content)
  }
  return root
}

export const removeFolders = async (): Promise<void> => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
}

export const all = async (batches: AsyncIterable<LabelledBatch>): Promise<readonly LabelledBatch[]> => {
  const found: LabelledBatch[] = []
  for await (const batch of batches) found.push(batch)
  return found
}

/** The first byte of each row. If each picture has one color, it identifies the picture. */
export const values = (batches: readonly LabelledBatch[], bytes: number): readonly number[] =>
  batches.flatMap(({ image }) => Array.from({ length: image.length / bytes }, (_, n) => image[n * bytes] ?? -1))
