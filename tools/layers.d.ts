/** Types of layers.js, for its test. */
export function layerOf(file: string): string
export function forbidden(root: string, importer: string, specifier: string): string | undefined
