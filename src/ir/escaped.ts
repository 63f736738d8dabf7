/** Names from files and from users stand in messages and tables. There they must not command a terminal, nor look like other words. */

/** C0 and C1 controls, ends of lines, and marks that turn the direction of writing. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** As it can stand in a line: `\u001b` where that character was. */
export const escaped = (text: string): string =>
  text.replace(unsafe, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Longer than any line that effuse itself writes. */
const lineMax = 2000

/** The same for several lines. Line ends stay. A line that a file or a user made too long loses its middle: its end often has the reason. */
export const escapedLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => escaped(line.length > lineMax ? `${line.slice(0, lineMax / 2)}…${line.slice(-lineMax / 2)}` : line))
    .join('\n')

/** One character for one, so that a caret in the next line stays under its place. */
export const blanked = (text: string): string => text.replace(unsafe, (c) => (c === '\t' ? ' ' : '\ufffd'))
