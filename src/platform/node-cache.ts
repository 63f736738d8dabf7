/** Where effuse keeps what it fetches and builds. Outside of node_modules, because `npm ci` empties that. Node only. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** `$XDG_CACHE_HOME/effuse`, `~/.cache/effuse` without the variable. It may not exist yet. */
export const cacheFolder = (): string => join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'effuse')
