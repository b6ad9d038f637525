/**
 * Copies pages into a folder, which is made anew, and makes pages of the sources and folders that they lead to. Returns the paths of the repository that have a page.
 */
export function collectPages(root: string, target: string): string[]
