/** Folders of small pictures for tests. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'

/** One colour per picture, so that crops and resizes leave it alone and a row says which picture it was. */
export const flat = async (value: number, [width, height]: readonly [number, number] = [20, 16]): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } })
    .png()
    .toBuffer()

/** Dark to bright from left to right, so that a row says where it was cut and whether it was mirrored. */
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

/** A folder with these files; null is an empty folder. */
export const folderOf = async (files: { readonly [path: string]: Uint8Array | string | null }): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'effuse-folder-'))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(content === null ? join(root, path) : dirname(join(root, path)), { recursive: true })
    if (content !== null) await writeFile(join(root, path), content)
  }
  return root
}
