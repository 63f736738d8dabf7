import { createRequire } from 'node:module'

/** The package's version, from package.json: one place. */
export const version: string = (createRequire(import.meta.url)('effuse/package.json') as { readonly version: string })
  .version
