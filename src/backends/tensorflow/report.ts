/** Reports which parts of TensorFlow are installed, without loading the library into this process. Node only. */
import { existsSync, statSync } from 'node:fs'
import type { TensorflowReport, TfjsNodeReport } from '../machine.ts'
import { findTensorflow } from './find-library.ts'
import { findPackage, type FoundPackage } from './places.ts'
import { bindingFile, type BindingCheck, checkBinding, tfjsNodeNames } from './tfjs-node.ts'

const setupCommand = 'npx effuse setup tensorflow'

/** Does this machine have an NVIDIA GPU? Looks for the files of its driver, or of WSL. */
export const showsNvidia = (): boolean =>
  ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg'].some((file) => existsSync(file))

export const tensorflowReport = async (): Promise<TensorflowReport> => {
  const found = findTensorflow()
  const hasNvidia = showsNvidia()
  const tfjsNode: TfjsNodeReport[] = []
  for (const name of tfjsNodeNames) {
    const known = findPackage(name)
    if (known !== null) tfjsNode.push(await tfjsNodeReport(known))
  }
  const missing: TensorflowReport['missing'][number][] = []
  if ('missing' in found) missing.push({ what: found.missing, fix: found.fix })
  if (findPackage('koffi') === null) missing.push({ what: 'the package koffi', fix: setupCommand })
  for (const { name, problem } of tfjsNode)
    if (problem !== null) missing.push({ what: `the binding of ${name}: ${problem}`, fix: setupCommand })
  if (hasNvidia && 'kind' in found && found.kind === 'cpu')
    missing.push({
      what: 'this machine has an NVIDIA GPU, but the installed TensorFlow is for CPUs',
      fix: `${setupCommand} --gpu`,
    })
  const library =
    'missing' in found ? null : { version: found.version, kind: found.kind, source: found.source, path: found.main }
  return { library, missing, tfjsNode, hasNvidia }
}

const tfjsNodeReport = async (found: FoundPackage): Promise<TfjsNodeReport> => {
  const { version, problem } = await checkOnce(bindingFile(found))
  return { name: found.name, version: found.version, tensorflow: version, problem }
}

/** Checks a binding. Each file is checked once, because a check starts a process. */
const checkOnce = async (file: string): Promise<BindingCheck> => {
  const key = `${file} ${statSync(file, { throwIfNoEntry: false })?.mtimeMs}`
  const known = checked.get(key) ?? checkBinding(file)
  checked.set(key, known)
  return known
}
const checked = new Map<string, Promise<BindingCheck>>()
