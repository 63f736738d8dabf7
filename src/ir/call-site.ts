/**
 * The user's line that led to a node: the first frame outside effuse. Always captured; formatted only when an error message needs it.
 * Frames may name the files that run or, through source maps, those that these were made from; effuse's own are told apart in either form.
 */

/** Layers call layers: the user's frame lies below effuse's own, of which a whole network has a dozen. */
const framesMax = 40

/** Remembers where the program is. */
export const captureSite = (): Error => {
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit')
  // An Error that is frozen keeps its limit.
  Reflect.set(Error, 'stackTraceLimit', framesMax)
  const site = new Error()
  Reflect.set(Error, 'stackTraceLimit', limit)
  return site
}

/**
 * File, line and column of the first frame outside effuse; null where there is none, where a bundle without a source map hides it, and where
 * the command line declared the node: whatever called that is not the user's.
 */
export const callSiteOf = (site: Error | undefined): string | null => {
  const { isOwn, isCli } = ownPlaces()
  const found = placesOf(site).find((place) => !isOwn(place) || isCli(place))
  return found === undefined || isCli(found) ? null : found
}

/** `file:line:column` of each frame in a file, the innermost first. */
const placesOf = (site: Error | undefined): readonly string[] => {
  const stack: unknown = site?.stack // whatever a program's own Error.prepareStackTrace makes of it
  return (typeof stack === 'string' ? stack.split('\n') : []).flatMap((line) => {
    // V8 writes `at name (place)` or `at place`, other engines `name@place`.
    const frame = /^\s*at (.*)$/.exec(line)?.[1] ?? /^[^@]*@(.*)$/.exec(line)?.[1]
    const place = (frame?.endsWith(')') ? / \((.*)\)$/.exec(frame)?.[1] : frame?.replace(/^async /, '')) ?? ''
    return /:\d+:\d+$/.test(place) && !/^(?:node:|<anonymous>|eval at )/.test(place) ? [asPath(place)] : []
  })
}

/** Paths and file: URLs, of Windows too, in one form. */
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
/** What lies before this file's own name is the folder of effuse's modules. */
const ownName = /ir\/call-site\.[jt]s(?:\?.*)?$/

interface OwnPlaces {
  readonly isOwn: (place: string) => boolean
  readonly isCli: (place: string) => boolean
}

/** Is it a place in effuse, in its command line? By the file that runs, and by what this file is called in a stack. A bundle of everything is one file. */
const ownPlaces = (): OwnPlaces => {
  const files = [asPath(import.meta.url), ...placesOf(new Error()).slice(0, 1).map(fileOf)]
  const folders = files.filter((file) => ownName.test(file)).map((file) => file.replace(ownName, ''))
  return {
    isOwn: (place) => files.includes(fileOf(place)) || folders.some((folder) => place.startsWith(folder)),
    isCli: (place) => folders.some((folder) => place.startsWith(`${folder}cli/`)),
  }
}
