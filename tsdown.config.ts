import { defineConfig } from 'tsdown'
import { minifyWorker } from './scripts/support/minified-worker.ts'

// One output file per source file: bundlers drop what is not used, and what is imported only when used stays apart.
export default defineConfig({
  entry: [
    'src/index.ts',
    'src/node.ts',
    'src/compiler.ts',
    'src/testing/index.ts',
    'src/inspect/index.ts',
    'src/export/index.ts',
    'src/backends/tfjs/index.ts',
    'src/backends/tensorflow/index.ts',
    'src/backends/wasm/index.ts',
    'src/cli/main.ts',
    // Threads run it; nothing imports it.
    'src/data/picture-worker.ts',
    // The two sides of package.json's `imports`; nothing imports them by path.
    'src/platform/node.ts',
    'src/platform/browser.ts',
    'src/backends/node.ts',
    'src/backends/browser.ts',
    'src/peers/node.ts',
    'src/peers/browser.ts',
  ],
  unbundle: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  // The importing package's conditions choose the side, not this build's.
  // Modules of Node's are meant: what needs them is loaded by Node alone (test/layers.test.ts).
  external: [/^#/, /^node:/],
  skipNodeModulesBundle: true,
  plugins: [minifyWorker],
  // Most of the time goes to declarations: nothing to be warned of.
  inputOptions: { checks: { pluginTimings: false } },
  dts: true,
  // Executables are Disposable; a project whose `lib` is es2022 has no such type, and a `reference` in a source does not reach its declaration.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
  // No source maps: what is built is one readable module per source file, comments included, and maps would be more than half of the package.
  clean: true,
})
