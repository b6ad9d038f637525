import { defineConfig } from 'tsup'

/** The examples as programs: build/examples/proxy.js and so on. They import the package by its name, as any user would. */
export default defineConfig({
  entry: {
    proxy: 'examples/proxy/main.ts',
    'proxy-parser': 'examples/proxy/manifests/parser.ts',
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
  outDir: 'build/examples',
  format: ['esm'],
  target: 'node20.19',
  platform: 'node',
  external: [/^netplane(\/|$)/, 'pino', 'prom-client', 'undici', 'yaml'],
  splitting: false,
  clean: true
})
