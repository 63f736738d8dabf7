/**
 * How names and numbers from a file stand in an error message.
 * A file may be hostile: what it holds must not fill the terminal, move its cursor, or look like words of ours.
 */

/** `text` in double quotes on one line: control and direction characters escaped, cut after `lengthMax` characters. */
export const quote = (text: string, lengthMax = 60): string => {
  const characters = [...text.slice(0, 2 * lengthMax + 2)]
  const shown = characters.slice(0, lengthMax).join('')
  // JSON escapes quotes, backslashes, C0 and lone surrogates; the rest are what a terminal would obey or hide.
  const escaped = JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return characters.length > lengthMax ? `${escaped.slice(0, -1)}…"` : escaped
}

/** A file at the start of a sentence: its name, or `the file` where it has none. */
export const fileLabel = (fileName: string | undefined): string => {
  if (fileName === undefined || fileName === '') return 'the file'
  const quoted = quote(fileName, 300)
  return quoted === `"${fileName}"` ? fileName : quoted
}

/** `1 byte`, `1,048,576 bytes`; the grouping does not depend on the machine's language. */
export const byteCount = (count: number | bigint): string =>
  `${grouped(count)} ${count === 1 || count === 1n ? 'byte' : 'bytes'}`

/** `1,048,576` */
export const grouped = (count: number | bigint): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

/** `float32[3,3,32,64]` */
export const showTensor = (dtype: string, shape: readonly number[]): string => `${dtype}[${shape.join(',')}]`
