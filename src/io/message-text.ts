/**
 * Shows names and numbers from a file in error messages.
 * A file may be hostile: its content must not fill the terminal, move the cursor, or look like effuse's own words.
 */

/** `text` in double quotes on one line: control and direction characters escaped, cut after `lengthMax` characters. */
export const quote = (text: string, lengthMax = 60): string => {
  const characters = [...text.slice(0, 2 * lengthMax + 2)]
  const shown = characters.slice(0, lengthMax).join('')
  // JSON escapes quotes, backslashes, C0 and lone surrogates. The pattern has the other characters that a terminal obeys or hides.
  const escaped = JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return characters.length > lengthMax ? `${escaped.slice(0, -1)}…"` : escaped
}

/** A file as the subject of a sentence: its name, or `the file` if it has none. */
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
