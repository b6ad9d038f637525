import path from 'node:path'
import { defineConfig, type Options } from 'tsup'
import { proxyBuild } from './proxy/deploy/bundle.mjs'

const repository = path.resolve(import.meta.dirname, '..')
const outDir = 'build/examples'

/** The examples as programs: build/examples/demo.js and so on. They import the package by its name, as any user would. */
const examples: Options = {
  entry: {
    'conntrack-exporter': 'examples/conntrack-exporter.ts',
    'conntrack-top': 'examples/conntrack-top.ts',
    'container-firewall': 'examples/container-firewall.ts',
    'ip-feed': 'examples/ip-feed.ts',
    'ipvs-director': 'examples/ipvs-director.ts',
    'load-balancer': 'examples/load-balancer.ts',
    'nat-gateway': 'examples/nat-gateway.ts',
    'port-knocking': 'examples/port-knocking.ts',
    ipvsadm: 'examples/ipvsadm.ts',
    demo: 'examples/demo/main.ts',
    'demo-ipvs': 'examples/demo/ipvs.ts',
    'demo-backend': 'examples/demo/backend.ts',
    'demo-client': 'examples/demo/client.ts'
  },
  outDir,
  format: ['esm'],
  target: 'node20.19',
  platform: 'node',
  external: [/^netplane(\/|$)/, 'prom-client', 'yaml'],
  splitting: false,
  // The files of the proxy, which is built at the same time.
  clean: ['!proxy*', '!LICENCES.txt']
}

// The proxy with its libraries in one file, as it is installed: it starts sooner than with a file for each of their modules.
export default defineConfig([examples, proxyBuild({ repository, folder: path.join(repository, outDir), isProgram: true })])
