/** Types of may-install.mjs, for its test. */
export function mayInstall(setting?: string): boolean
