/** Recognises the format of a picture by its first bytes, not by its name. */

/** The supported formats. */
export type PictureFormat = 'JPEG' | 'PNG' | 'WebP' | 'GIF' | 'TIFF' | 'AVIF'

const ascii = (text: string): readonly number[] => [...text].map((letter) => letter.charCodeAt(0))
const isAt = (bytes: Uint8Array, place: number, expected: readonly number[]): boolean =>
  expected.every((byte, i) => bytes[place + i] === byte)

const signatures: readonly (readonly [PictureFormat, readonly number[]])[] = [
  ['JPEG', [0xff, 0xd8, 0xff]],
  ['PNG', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['GIF', ascii('GIF87a')],
  ['GIF', ascii('GIF89a')],
  ['TIFF', [...ascii('II'), 42, 0]],
  ['TIFF', [...ascii('MM'), 0, 42]],
  ['TIFF', [...ascii('II'), 43, 0]],
  ['TIFF', [...ascii('MM'), 0, 43]],
]

/** The format; null if it is not supported. */
export const formatOf = (bytes: Uint8Array): PictureFormat | null => {
  if (isAt(bytes, 0, ascii('RIFF')) && isAt(bytes, 8, ascii('WEBP'))) return 'WebP'
  if (brandsOf(bytes).some((brand) => brand === 'avif' || brand === 'avis')) return 'AVIF'
  return signatures.find(([, start]) => isAt(bytes, 0, start))?.[0] ?? null
}

/** The brands in the first box of an ISO base media file; empty for other files. */
const brandsOf = (bytes: Uint8Array): readonly string[] => {
  if (!isAt(bytes, 4, ascii('ftyp'))) return []
  const end = Math.min(bytes.length, 256, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))
  const text = String.fromCharCode(...bytes.subarray(8, end))
  // The major brand, its version, then the compatible ones.
  return Array.from({ length: Math.floor(text.length / 4) }, (_, i) => text.slice(4 * i, 4 * i + 4)).filter(
    (_, i) => i !== 1,
  )
}

const otherSignatures: readonly (readonly [string, readonly number[]])[] = [
  ['begins like a BMP', ascii('BM')],
  ['begins like a Photoshop document', ascii('8BPS')],
  ['begins like a JPEG 2000', [0, 0, 0, 12, 0x6a, 0x50]],
  ['begins like a RIFF file that is not WebP', ascii('RIFF')],
  ['looks like a PDF', ascii('%PDF')],
  ['looks like a zip archive', [...ascii('PK'), 3, 4]],
  ['is compressed by gzip', [0x1f, 0x8b]],
]

/** Describes the bytes, as the end of a sentence. */
export const looksLike = (bytes: Uint8Array): string => {
  if (bytes.length === 0) return 'is empty'
  const format = formatOf(bytes)
  if (format !== null) return `begins like ${article(format)} ${format} of ${bytes.length} bytes`
  const other = otherSignatures.find(([, start]) => isAt(bytes, 0, start))
  if (other !== undefined) return `${other[0]} of ${bytes.length} bytes`
  const [brand] = brandsOf(bytes)
  if (brand !== undefined) return `begins like a ${brand.trim().toUpperCase()} file of ${bytes.length} bytes`
  const start = bytes.subarray(0, 512)
  const text = new TextDecoder().decode(start)
  if (/<svg[\s>]/i.test(text)) return 'looks like an SVG'
  if (start.subarray(0, 64).every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127)))
    return `looks like text ("${text.slice(0, 24).replace(/\s+/g, ' ')}…")`
  return `begins with bytes that no known picture format has (${[...bytes.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ')})`
}

const article = (format: PictureFormat): string => (format === 'AVIF' ? 'an' : 'a')
