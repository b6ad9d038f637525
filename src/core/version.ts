/** This package's version; the addon has it too, and the loader refuses one that differs. */
export const VERSION = '0.1.0'
