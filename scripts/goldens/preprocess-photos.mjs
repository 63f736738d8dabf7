// Makes test/goldens/photos/*.png: photographs as the network sees them, 224 x 224 RGB.
// Central square of size / (size + 32) of the shorter side, then a triangle-filter ("bilinear") resize.
// They are kept as PNG, so that the predictions golden stays true whatever a later sharp does.
//
//   node scripts/goldens/preprocess-photos.mjs FOLDER   (FOLDER: skimage/data of scikit-image's wheel)
import { createHash } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'

const size = 224
const photos = ['chelsea.png', 'coffee.png', 'rocket.jpg', 'astronaut.png', 'clock_motion.png']

const source = process.argv[2]
if (source === undefined) {
  console.error('usage: node scripts/goldens/preprocess-photos.mjs FOLDER')
  process.exit(2)
}
const target = fileURLToPath(new URL('../../test/goldens/photos/', import.meta.url))
await mkdir(target, { recursive: true })

for (const photo of photos) {
  const file = path.join(source, photo)
  const { width, height } = await sharp(file).metadata()
  const side = Math.floor((size / (size + 32)) * Math.min(width, height))
  const left = Math.floor((width - side + 1) / 2)
  const top = Math.floor((height - side + 1) / 2)
  const bytes = await sharp(file)
    .extract({ left, top, width: side, height: side })
    .resize(size, size, { kernel: 'linear', fit: 'fill' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer()
  if (bytes.length !== size * size * 3) throw new Error(`${photo}: ${bytes.length} bytes, expected ${size * size * 3}`)
  const out = path.join(target, `${path.parse(photo).name.replaceAll('_', '-')}.png`)
  await sharp(bytes, { raw: { width: size, height: size, channels: 3 } })
    .png({ compressionLevel: 9, adaptiveFiltering: true })
    .toFile(out)
  const kept = await sharp(out).raw().toBuffer()
  if (!kept.equals(bytes)) throw new Error(`${photo}: the PNG does not hold the same bytes`)
  const hash = createHash('sha256').update(bytes).digest('hex')
  console.log(
    `${photo}: ${width} x ${height}, crop ${side} at ${left},${top}, sha256 ${hash}, ${(await stat(out)).size} bytes`,
  )
}
