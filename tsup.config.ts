import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/testing.ts'],
  format: ['esm', 'cjs'],
  // The oldest Node that package.json accepts; `await using` is lowered to what it has.
  target: 'node20.19',
  platform: 'node',
  dts: true,
  clean: true,
  // Errors are recognised, and printed, by the names of their classes.
  keepNames: true,
  // The addon loader needs `import.meta.url` in the CommonJS copy too.
  shims: true,
  splitting: true,
  sourcemap: false,
  treeshake: true
})
