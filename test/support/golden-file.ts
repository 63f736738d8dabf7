/**
 * Golden files: an input text, a rule, and the expected result below it. UPDATE_GOLDEN=1 writes the result again, for the author to review. In CI
 * nothing is written, and a golden that would change fails.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const rule = '// ----\n'

export type Environment = { readonly [name: string]: string | undefined }

/** The two texts are equal if the golden holds. @throws Error if the file may not be written */
export const checkGoldenFile = (
  file: string,
  make: (input: string) => string,
  environment: Environment,
): { readonly stored: string; readonly made: string } => {
  const [input = '', stored = ''] = readFileSync(file, 'utf8').split(rule)
  const made = make(input)
  if (made === stored || environment['UPDATE_GOLDEN'] !== '1') return { stored, made }
  if (environment['CI'] !== undefined)
    throw new Error(`${file} would change, and CI changes no golden: run UPDATE_GOLDEN=1 before the commit`)
  writeFileSync(file, `${input}${rule}${made}`)
  return { stored: made, made }
}
