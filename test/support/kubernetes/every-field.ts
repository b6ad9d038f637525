import type { NewObject } from './client.js'
import { clusterAddress } from '../kubernetes-services.js'

const LABELS = { app: 'any', 'netplane/priority': '7' }

const slice = (name: string, addressType: string, more: object): NewObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': 'rich', other: 'label' } } as NewObject['metadata'],
  addressType,
  endpoints: [],
  ...more
})

const service = (name: string, spec: object, more: object = {}, metadata: object = {}): NewObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', ...metadata } as NewObject['metadata'],
  spec,
  ...more
})

/** Objects that together have every field that a proxy reads, and many that it does not; also fields that are empty, 0 and false. Numbers of addresses of the cluster are from 90 on. */
export const EVERY_FIELD: readonly NewObject[] = [
  service(
    'rich',
    {
      type: 'LoadBalancer',
      clusterIP: clusterAddress.ip(90),
      clusterIPs: [clusterAddress.ip(90), clusterAddress.ip6(90)],
      ipFamilyPolicy: 'RequireDualStack',
      selector: { app: 'rich' },
      externalIPs: ['203.0.113.9', '2001:db8::9'],
      loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'],
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Local',
      healthCheckNodePort: 31_990,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_400 } },
      ports: [
        { name: 'http', protocol: 'TCP', port: 80, nodePort: 31_991, targetPort: 'web', appProtocol: 'http' },
        { name: 'dns', protocol: 'UDP', port: 53, nodePort: 31_992 },
        { name: 'sig', protocol: 'SCTP', port: 65_535, nodePort: 31_993, targetPort: 9 }
      ]
    },
    {
      status: {
        loadBalancer: {
          ingress: [{ ip: '198.51.100.7', ipMode: 'VIP' }, { ip: '2001:db8::7', ipMode: 'Proxy' }, { hostname: 'lb.example' }]
        }
      }
    },
    {
      labels: { ...LABELS, 'service.kubernetes.io/headless': '' },
      annotations: { 'netplane/weights': 'zone-a=3, node-7=0', 'netplane/drain-deadline-seconds': '30', note: 'ä€😀 "quoted"' }
    }
  ),
  service('plain', { clusterIP: clusterAddress.ip(91), ports: [{ port: 80 }] }),
  service('elsewhere', { type: 'ExternalName', externalName: 'example.org' }),
  slice('rich-v4', 'IPv4', {
    ports: [
      { name: 'http', protocol: 'TCP', port: 8080, appProtocol: 'http' },
      { name: '', protocol: 'UDP', port: 53 }
    ],
    endpoints: [
      {
        addresses: ['10.1.0.1'],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: 'one',
        nodeName: 'node-a',
        zone: 'zone-a',
        hints: { forZones: [{ name: 'zone-a' }, { name: 'zone-b' }], forNodes: [{ name: 'node-a' }] },
        targetRef: { kind: 'Pod', name: 'one', namespace: 'shop', uid: 'u' }
      },
      { addresses: ['10.1.0.2'], conditions: { ready: true } },
      { addresses: ['10.1.0.3'] }
    ]
  }),
  slice('rich-v6', 'IPv6', { endpoints: [{ addresses: ['fd00::1'], zone: '' }] }),
  slice('rich-empty', 'IPv4', {
    metadata: {
      name: 'rich-empty',
      namespace: 'shop',
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-12-01T00:00:00Z' }
    }
  }),
  {
    apiVersion: 'v1',
    kind: 'Node',
    // It stays when it is deleted.
    metadata: {
      name: 'node-rich',
      labels: { 'topology.kubernetes.io/zone': 'zone-a', other: 'label' },
      finalizers: ['netplane.test/stays']
    } as NewObject['metadata'],
    spec: {
      podCIDR: '10.128.0.0/24',
      podCIDRs: ['10.128.0.0/24', 'fd00:10::/64'],
      taints: [
        { key: 'ToBeDeletedByClusterAutoscaler', value: 'x', effect: 'NoSchedule' },
        { key: 'k', effect: 'NoExecute' }
      ]
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: 'node-rich' }
      ],
      capacity: { cpu: '4' },
      nodeInfo: { kernelVersion: '6.18', bootID: '', machineID: '' }
    }
  }
]
