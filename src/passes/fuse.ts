/**
 * Marks the place in a pipeline where nodes become kernels. It changes nothing itself: the backend's fusion passes, if any are enabled, follow
 * it. So `p.before('fuse', mine)` means the same on every backend. From here on graphs are at the stage `fused`.
 */
import { definePass } from './pass.ts'

export const fuse = definePass({
  name: 'fuse',
  summary: 'the place of fusions, which follow it',
  phase: 'fuse',
  preserves: 'bits',
  stage: 'fused',
  run: (graph) => graph,
})
