/** How the user starts this program, so that commands in messages can be pasted. */
import { realpathSync } from 'node:fs'
import { delimiter, join, relative, sep } from 'node:path'

export interface Start {
  /** Path of the running program, as in process.argv[1]. */
  readonly program: string
  readonly folder: string
  readonly environment: { readonly [name: string]: string | undefined }
}

/** `effuse` where a shell finds this program by that name; else `npx effuse`, `npm run effuse --`, or node with the program's path. */
export const invocationOf = ({ program, folder, environment }: Start): string => {
  // The script of this repository's package.json.
  if (environment['npm_lifecycle_event'] === 'effuse' && environment['npm_package_name'] === 'effuse')
    return 'npm run effuse --'
  const own = realPath(program)
  const onPath = (environment['PATH'] ?? '')
    .split(delimiter)
    .filter((place) => place !== '' && realPath(join(place, 'effuse')) === own)
  // npx and others that run a project's programs add these places, which the user's shell does not search.
  if (onPath.some((place) => !place.endsWith(join('node_modules', '.bin')))) return 'effuse'
  if (onPath.length > 0 || realPath(join(folder, 'node_modules', '.bin', 'effuse')) === own) return 'npx effuse'
  const near = relative(folder, program)
  return `node ${shellWord(near.startsWith('..') ? program : near)}`
}

/** Null if there is no such file. */
const realPath = (path: string): string | null => {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** A word of a command line, in quotes if a shell would interpret some of its characters. */
export const shellWord = (word: string): string => {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  return sep === '/' ? `'${word.replaceAll("'", "'\\''")}'` : `"${word}"`
}
