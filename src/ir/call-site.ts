/**
 * The user's line that created a node: the first stack frame outside effuse. It is always captured, and formatted only for an error message.
 * Frames name either the files that run or, through source maps, their sources; effuse's own files are recognised in both forms.
 */

/** Layers call layers, so about a dozen of effuse's own frames can precede the user's frame. */
const framesMax = 40

/** Captures the current stack. */
export const captureSite = (): Error => {
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit')
  // Reflect.set does not throw if a program has frozen Error.
  Reflect.set(Error, 'stackTraceLimit', framesMax)
  const site = new Error()
  Reflect.set(Error, 'stackTraceLimit', limit)
  return site
}

/**
 * File, line and column of the first frame outside effuse. Null if there is none, if a bundle without a source map hides it, or if the command
 * line declared the node: frames before the command line are not the user's.
 */
export const callSiteOf = (site: Error | undefined): string | null => {
  const { isOwn, isCli } = ownPlaces()
  const found = placesOf(site).find((place) => !isOwn(place) || isCli(place))
  return found === undefined || isCli(found) ? null : found
}

/** `file:line:column` of each frame that is in a file, innermost first. */
const placesOf = (site: Error | undefined): readonly string[] => {
  const stack: unknown = site?.stack // any value, if the program sets Error.prepareStackTrace
  return (typeof stack === 'string' ? stack.split('\n') : []).flatMap((line) => {
    // V8 writes `at name (place)` or `at place`, other engines `name@place`.
    const frame = /^\s*at (.*)$/.exec(line)?.[1] ?? /^[^@]*@(.*)$/.exec(line)?.[1]
    const place = (frame?.endsWith(')') ? / \((.*)\)$/.exec(frame)?.[1] : frame?.replace(/^async /, '')) ?? ''
    return /:\d+:\d+$/.test(place) && !/^(?:node:|<anonymous>|eval at )/.test(place) ? [asPath(place)] : []
  })
}

/** Converts paths and file: URLs, also those of Windows, to one form. */
const asPath = (place: string): string => {
  if (!place.startsWith('file://')) return place.replaceAll('\\', '/')
  const path = place.replace(/^file:\/\/(?:\/(?=[A-Za-z]:))?/, '')
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const fileOf = (place: string): string => place.replace(/:\d+:\d+$/, '')
/** The part of a path before this match is the folder of effuse's modules. */
const ownName = /ir\/call-site\.[jt]s(?:\?.*)?$/

interface OwnPlaces {
  readonly isOwn: (place: string) => boolean
  readonly isCli: (place: string) => boolean
}

/** Tests whether a place is in effuse or in its command line. Uses the URL of this file and its name in a stack; they differ with source maps. */
const ownPlaces = (): OwnPlaces => {
  const files = [asPath(import.meta.url), ...placesOf(new Error()).slice(0, 1).map(fileOf)]
  const folders = files.filter((file) => ownName.test(file)).map((file) => file.replace(ownName, ''))
  return {
    isOwn: (place) => files.includes(fileOf(place)) || folders.some((folder) => place.startsWith(folder)),
    isCli: (place) => folders.some((folder) => place.startsWith(`${folder}cli/`)),
  }
}
