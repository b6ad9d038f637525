import js from '@eslint/js'
import tseslint from 'typescript-eslint'
import { layersRule } from './tools/layers.js'

const nodeGlobals = Object.fromEntries(
  ['process', 'console', 'Buffer', 'URL', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'performance'].map(
    (name) => [name, 'readonly']
  )
)

export default tseslint.config(
  { ignores: ['node_modules', 'build', 'build-*', 'dist', 'prebuilds', 'coverage', 'temp', '**/.temp'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    languageOptions: { globals: nodeGlobals }
  },
  {
    files: ['**/*.ts'],
    plugins: { netplane: { rules: { layers: layersRule } } },
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'netplane/layers': 'error',
      eqeqeq: 'error',
      'max-lines': ['error', { max: 400 }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => resolve()` and `void promise` are the two ways this project ignores a value on purpose.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Under noUncheckedIndexedAccess the bounds of a loop are a reason that the compiler cannot see.
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      // The library prints nothing and starts no program.
      'no-console': 'error',
      'no-restricted-imports': ['error', { paths: ['child_process', 'node:child_process'] }]
    }
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'max-lines': 'off'
    }
  }
)
