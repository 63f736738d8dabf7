// Python with TensorFlow, in the cache: what tests compare SavedModels with. An environment of its own, so that the user's Python stays as it is.
import path from 'node:path'
import { cacheFolder } from './demo-files.mjs'

export const pythonTensorflow = { name: 'tensorflow-cpu', version: '2.21.0' }

const cache = path.join(cacheFolder(), 'python')

/** The environment's folder; it gets this name when it is complete. */
export const environmentFolder = path.join(cache, `${pythonTensorflow.name}-${pythonTensorflow.version}`)
/** Its Python. */
export const environmentPython = path.join(environmentFolder, 'bin', 'python')
/** The wheels that it is installed from, which `effuse setup tensorflow` can take, too. */
export const wheelsFolder = path.join(cache, 'wheels')
