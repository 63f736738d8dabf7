// node scripts/install-lavapipe.mjs: installs a Vulkan driver that computes on the CPU, for tests of WebGPU in Node on machines without a GPU. Debian 12's
// own Mesa is too old for Dawn, so the driver comes from bookworm-backports of apt's mirror; apt's list of sources does not change.
// On other systems install mesa-vulkan-drivers 24 or later.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { apt } from './support/apt.mjs'
import { runQuietly, say, script, StepError } from './support/step.mjs'

/** Asks Dawn (package webgpu) for an adapter, because an old driver does not count. Runs in a separate process, which a driver may crash. */
const hasAdapter = async () => {
  const program = `const { create } = await import('webgpu'); process.exit((await create([]).requestAdapter()) === null ? 1 : 0)`
  return (await runQuietly(process.execPath, ['--input-type=module', '--eval', program]))?.code === 0
}

const otherwise = 'Install mesa-vulkan-drivers 24 or later as your system does it.'

/** The mirror and the signing key of Debian's archive, from a line of sources.list or a stanza of a .sources file. */
const debianSource = async () => {
  const folder = '/etc/apt/sources.list.d'
  const files = (await readdir(folder).catch(() => [])).map((file) => path.join(folder, file))
  for (const file of ['/etc/apt/sources.list', ...files]) {
    const text = await readFile(file, 'utf8').catch(() => '')
    const line = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+bookworm\s/m.exec(text)
    if (line?.[1] !== undefined) return { mirror: line[1], key: /signed-by=([^\s\]]+)/.exec(line[0])?.[1] ?? null }
    for (const stanza of file.endsWith('.sources') ? text.split(/\n\s*\n/) : []) {
      if (!/^Suites:.*\bbookworm\b(?!-)/m.test(stanza)) continue
      const mirror = /^URIs:\s*(\S+)/m.exec(stanza)?.[1]
      if (mirror !== undefined) return { mirror, key: /^Signed-By:\s*(\S+)/m.exec(stanza)?.[1] ?? null }
    }
  }
  throw new StepError(`apt names no archive of Debian 12. ${otherwise}`)
}

await script(async () => {
  if (await hasAdapter()) return
  say("installing Mesa's lavapipe (apt-get)")
  const { mirror, key } = await debianSource()
  const folder = await mkdtemp(path.join(os.tmpdir(), 'effuse-apt-'))
  try {
    const list = path.join(folder, 'sources.list')
    const own = await readFile('/etc/apt/sources.list', 'utf8').catch(() => '')
    await writeFile(list, `${own}\ndeb ${key === null ? '' : `[signed-by=${key}] `}${mirror} bookworm-backports main\n`)
    const withBackports = ['-o', `Dir::Etc::SourceList=${list}`]
    await apt([...withBackports, 'update'], otherwise)
    const from = ['--no-install-recommends', '-t', 'bookworm-backports']
    await apt([...withBackports, 'install', '--yes', ...from, 'mesa-vulkan-drivers', 'libvulkan1'], otherwise)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  if (!(await hasAdapter()))
    throw new StepError('lavapipe is installed, and Dawn finds no adapter. Is the package webgpu there (npm ci)?')
})
