/** A Chromium on this machine: Debian's package, or the program named in EFFUSE_CHROMIUM. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type BrowserContext, chromium } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Its path; null if there is none. */
export const chromiumPath = (): string | null => {
  const given = process.env['EFFUSE_CHROMIUM']
  if (given !== undefined) return given
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram) ?? null
}

export interface Chromium {
  readonly context: BrowserContext
  close(): Promise<void>
  /** Kills all of its processes at once, like a power failure. */
  kill(): Promise<void>
}

/**
 * A headless browser with a profile: a folder with the stored data of its pages. It is started here instead of by Playwright, so that it can be
 * killed.
 *
 * @param flags Flags of the command line, in addition to those of all tests.
 */
export const openChromium = async (profile: string, flags: readonly string[] = []): Promise<Chromium> => {
  const path = chromiumPath()
  if (path === null) throw new Error('no Chromium is on the PATH: install one (Debian: apt-get install chromium)')
  const child = spawn(
    path,
    [
      '--headless=new',
      '--no-sandbox', // root cannot have a sandbox in a container; the pages are those of the tests
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      ...flags,
      'about:blank',
    ],
    { detached: true, stdio: ['ignore', 'ignore', 'pipe'] }, // detached: in its own process group
  )
  const ended = once(child, 'exit')
  const lines: string[] = []
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line)
      const found = /^DevTools listening on (ws:\S+)$/.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.on('error', reject)
    child.on('exit', () => reject(new Error(`${path} ended at once:\n${lines.join('\n')}`)))
  })
  const browser = await chromium.connectOverCDP(address)
  const [context = await browser.newContext()] = browser.contexts()
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
      process.kill(-child.pid, 'SIGKILL')
    await ended
  }
  return {
    context,
    kill,
    close: async () => {
      await browser.close()
      await kill()
    },
  }
}
