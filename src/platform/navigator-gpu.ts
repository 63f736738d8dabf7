/** `navigator.gpu`, in pages, and in Node if a program has set it. */
export const navigatorGpu = (): object | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: object } }).navigator?.gpu
