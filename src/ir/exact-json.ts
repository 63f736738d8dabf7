/** JSON as a key: unlike in plain JSON, -0, NaN and infinities differ from all else. Equal data gives equal text if its properties are in the same order. */
export const exactJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'number' && (Object.is(part, -0) || !Number.isFinite(part))
      ? `number ${Object.is(part, -0) ? '-0' : part}`
      : part,
  )
