/** A deliberately wrong version of a source file. */
export interface Mutant {
  /** What is wrong, in words. It is the name of the mutant. */
  readonly name: string
  readonly file: string
  /** It must occur exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Test files that are expected to kill it, the fastest first. */
  readonly tests: readonly string[]
}

/** Mutants of one file. */
export const mutantsOf = (
  file: string,
  tests: readonly string[],
  changes: readonly (readonly [name: string, find: string, replace: string])[],
): readonly Mutant[] => changes.map(([name, find, replace]) => ({ name, file, find, replace, tests }))

/** The text of the file with the mutant. @throws Error if the text to replace does not occur exactly once */
export const mutated = (text: string, { name, file, find, replace }: Omit<Mutant, 'tests'>): string => {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`"${name}": its text occurs in ${file} ${parts.length - 1} times, not once`)
  return parts.join(replace)
}
