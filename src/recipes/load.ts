/** Reads recipe files: effuse's own by name, and users' by path. */
import { readFile } from '#platform'
import { EffuseError } from '../ir/diagnostics.ts'
import { jsonFault } from './json-fault.ts'
import type { Recipe } from './recipe.ts'
import { checkSettings } from './resolve.ts'
import { didYouMean } from '../ir/words.ts'

/** The recipes in `recipes/`, a part of the package. */
export const recipeNames = ['b0-imagenet', 'b4-imagenet', 'digits'] as const

/**
 * The settings that a recipe file has. `resolveRecipe` adds the other ones.
 *
 * @param nameOrPath 'b0-imagenet', 'b4-imagenet', 'digits', or a path that ends in `.json`.
 * @throws EffuseError EF403 (an unknown recipe, or a wrong setting), EF501 (the file).
 * @example
 * const recipe = resolveRecipe(await loadRecipe('digits'), { epochs: 1 })
 */
export const loadRecipe = async (nameOrPath: string): Promise<Partial<Recipe>> => {
  if (nameOrPath.endsWith('.json')) return parseRecipe(await textOf(nameOrPath), nameOrPath)
  if (!recipeNames.some((name) => name === nameOrPath))
    throw new EffuseError({
      code: 'EF403',
      message: `there is no recipe "${nameOrPath}"; there are ${recipeNames.join(', ')}, or your own as FILE.json`,
      hint: didYouMean(nameOrPath, recipeNames, ''),
    })
  // src/recipes and dist/recipes have the same depth.
  return parseRecipe(await textOf(new URL(`../../recipes/${nameOrPath}.json`, import.meta.url)), nameOrPath)
}

const textOf = async (source: string | URL): Promise<string> => new TextDecoder().decode(await readFile(source))

/** @param label The name of the file in messages. @throws EffuseError EF403 */
export const parseRecipe = (text: string, label: string): Partial<Recipe> => {
  const found = parseObject(text, label)
  // Information for readers: what the recipe is, and what wrote it.
  const { about: _about, effuse: _effuse, recipe: _recipe, ...given } = found
  checkSettings(given as Partial<Recipe>, (key) => `"${key}" in ${label}`)
  return given as Partial<Recipe> // just checked
}

/** @throws EffuseError EF403 with the place of the syntax error */
export const parseObject = (text: string, label: string): { readonly [name: string]: unknown } => {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (error) {
    throw new EffuseError({
      code: 'EF403',
      message: `${label} is not JSON: ${jsonFault(text) ?? String(error)}`,
      cause: error,
    })
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new EffuseError({ code: 'EF403', message: `${label} must contain an object of settings` })
  return found as { readonly [name: string]: unknown } // an object, just checked
}
