/** Messages and tables contain names from files and users. Escaping prevents them from controlling a terminal or from looking like other words. */

/** C0 and C1 controls, line ends, and marks that change the direction of writing. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The text as a part of one line: replaces such a character by its code, `\u001b`. */
export const escaped = (text: string): string =>
  text.replace(unsafe, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Longer than any line that effuse itself writes. */
const lineMax = 2000

/** Escapes each line and keeps the line ends. Cuts a line that is too long in its middle, because its end often has the reason. */
export const escapedLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => escaped(line.length > lineMax ? `${line.slice(0, lineMax / 2)}…${line.slice(-lineMax / 2)}` : line))
    .join('\n')

/** Replaces each such character by one character, so that a caret in the next line stays under its place. */
export const blanked = (text: string): string => text.replace(unsafe, (c) => (c === '\t' ? ' ' : '\ufffd'))
