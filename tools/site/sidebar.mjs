/** @param {string} text @param {Record<string, string>} pages titles by the names of files in docs */
const group = (text, pages) => ({ text, items: Object.entries(pages).map(([name, title]) => ({ text: title, link: `/docs/${name}` })) })

/** What stands beside the pages, in the order in which one reads. A test asks that every page of docs is here. */
export const sidebar = [
  {
    text: 'Begin',
    items: [
      { text: 'netplane', link: '/' },
      { text: 'Concepts', link: '/docs/concepts' },
      { text: 'Writing an agent', link: '/docs/agent' },
      { text: 'Examples', link: '/docs/examples' },
      { text: 'The command line', link: '/docs/cli' }
    ]
  },
  group('Services', {
    'service-model': 'Services and planes',
    'nftables-plane': 'Mode nftables',
    'ipvs-plane': 'Mode ipvs',
    'iptables-plane': 'Mode iptables',
    'userspace-plane': 'Mode userspace',
    carriers: 'Carriers',
    switching: 'Switching modes',
    behaviour: 'What packets meet',
    proxy: 'The example proxy',
    'replace-kube-proxy': 'Replacing kube-proxy',
    scale: 'Costs for an API server'
  }),
  group('Clients', { nftables: 'nf_tables', ipvs: 'IPVS', conntrack: 'Connection tracking', iptables: 'iptables' }),
  group('In operation', {
    operations: 'Operating a plane',
    errors: 'Errors',
    privileges: 'Privileges and containers',
    kernels: 'Kernels and features',
    performance: 'Performance',
    testing: 'Testing your code'
  }),
  group('Coming from', {
    'from-ipvsadm': 'ipvsadm',
    'from-nft': 'nft',
    'from-iptables': 'iptables',
    'from-kube-proxy': 'kube-proxy',
    'from-moby-ipvs': 'moby/ipvs',
    'from-google-nftables': 'google/nftables',
    'from-pyroute2': 'pyroute2'
  }),
  {
    text: 'The project',
    items: [
      { text: 'Architecture', link: '/docs/architecture' },
      { text: 'Transport', link: '/docs/transport' },
      { text: 'Results of the bench', link: '/bench/RESULTS' },
      { text: 'Security', link: '/SECURITY' },
      { text: 'Contributing', link: '/CONTRIBUTING' },
      { text: 'Changes', link: '/CHANGELOG' }
    ]
  }
]
