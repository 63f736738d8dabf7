/** Apart from the rest of mixed precision, which pages load on demand: every training pipeline needs it. */
import type { DecomposeOptions } from '../decompose.ts'
import type { AmpSettings } from './options.ts'

/**
 * Composites that may be decomposed before mixed precision decides, because neither the author nor the user made a setting that would not
 * apply to the ops in the body. It has the classes of such composites, and the names that are excluded because a list has them.
 */
export const silentComposites = ({ allow, deny }: AmpSettings): DecomposeOptions => ({
  classes: ['infer', 'clear'],
  except: [...new Set([...allow, ...deny].map((name) => name.replace(/^!/, '')))],
})
