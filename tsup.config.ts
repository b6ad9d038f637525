import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/nftables.ts', 'src/testing.ts'],
  format: ['esm', 'cjs'],
  // The oldest Node that package.json accepts; `await using` is lowered to what it has.
  target: 'node20.19',
  platform: 'node',
  dts: true,
  clean: true,
  // Not keepNames: it defines the name of every inner function anew whenever that is made. Classes keep theirs anyway.
  // The addon loader needs `import.meta.url` in the CommonJS copy too.
  shims: true,
  splitting: true,
  sourcemap: false,
  treeshake: true
})
