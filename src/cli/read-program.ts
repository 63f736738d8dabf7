/** Reads a graph or a program in text form by path. */
import { readFile } from '#platform'
import { EffuseError } from '../ir/diagnostics.ts'
import { parseProgram } from '../passes/program-text.ts'

/** @param file A path, or - for stdin. @throws EffuseError EF501, and errors of parseProgram() with the file's name before the place */
export const readProgram = async (file: string): Promise<ReturnType<typeof parseProgram>> => {
  const text = new TextDecoder().decode(file === '-' ? await readStdin() : await readFile(file))
  try {
    return parseProgram(text)
  } catch (error) {
    if (!(error instanceof EffuseError)) throw error
    const { code, message, path, diagnostics, hint } = error
    const place = `${file === '-' ? 'stdin' : file}:${/^\d+:\d+: /.test(message) ? '' : ' '}`
    throw new EffuseError({ code, message: `${place}${message}`, path, diagnostics, hint, cause: error })
  }
}

const readStdin = async (): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) {
    if (!(chunk instanceof Uint8Array))
      throw new EffuseError({ code: 'EF501', message: 'expected bytes from stdin, got text' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
