import { defineConfig } from 'tsup'

/** The examples as programs: build/examples/proxy.js and so on. They import the package by its name, as any user would. */
export default defineConfig({
  entry: {
    proxy: 'examples/proxy/main.ts',
    'proxy-parser': 'examples/proxy/manifests/parser.ts',
    'conntrack-top': 'examples/conntrack-top.ts',
    ipvsadm: 'examples/ipvsadm.ts',
    demo: 'examples/demo/main.ts',
    'demo-ipvs': 'examples/demo/ipvs.ts',
    'demo-backend': 'examples/demo/backend.ts',
    'demo-client': 'examples/demo/client.ts'
  },
  outDir: 'build/examples',
  format: ['esm'],
  target: 'node20.19',
  platform: 'node',
  external: ['netplane', 'pino', 'prom-client', 'yaml'],
  splitting: false,
  clean: true
})
