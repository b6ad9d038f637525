/** @param {string} text @param {Record<string, string>} pages titles by the names of files in docs */
const group = (text, pages) => ({ text, items: Object.entries(pages).map(([name, title]) => ({ text: title, link: `/docs/${name}` })) })

/** What stands beside the pages, in the order in which one reads. A test asks that every page of docs is here. */
export const sidebar = [
  { text: 'netplane', link: '/' },
  group('Services', {
    'service-model': 'Services and planes',
    'nftables-plane': 'Mode nftables',
    'ipvs-plane': 'Mode ipvs',
    'iptables-plane': 'Mode iptables',
    'userspace-plane': 'Mode userspace',
    behaviour: 'What packets meet'
  }),
  group('Clients', { nftables: 'nf_tables', ipvs: 'IPVS', conntrack: 'Connection tracking', iptables: 'iptables' }),
  group('Programs', { cli: 'The command line', examples: 'Examples', proxy: 'The example proxy', testing: 'Testing your code' }),
  group('How it is made', { architecture: 'Architecture', transport: 'Transport' })
]
