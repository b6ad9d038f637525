import { expect, it } from 'vitest'
import { isNodeEligible, podPrefixes } from '../../../../examples/proxy/kubernetes/eligibility.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'
import { prune } from '../../../../examples/proxy/kubernetes/prune.js'

/** A Node as an API server gives it, with what the proxy keeps of it. */
function nodeOf(name: string, metadata: object, spec: unknown): KubernetesObject {
  return prune({ metadata: { name, uid: 'u', ...metadata }, spec, status: { images: [] } }, 'Node') as KubernetesObject
}

const isEligible = (metadata: object, spec: unknown): boolean => isNodeEligible([nodeOf('here', metadata, spec)], 'here')

it('a node that is leaving gets no new connections of load balancers, and one that is not known does', () => {
  const taint = (key: unknown): unknown => ({ taints: [{ key: 'a', effect: 'NoSchedule' }, { key }] })
  expect(isEligible({}, {})).toBe(true)
  expect(isEligible({}, taint('b'))).toBe(true)
  expect(isEligible({}, taint('ToBeDeletedByClusterAutoscaler'))).toBe(false)
  expect(isEligible({ deletionTimestamp: '2026-01-01T00:00:00Z' }, {})).toBe(false)
  expect(isNodeEligible([nodeOf('other', { deletionTimestamp: '2026-01-01T00:00:00Z' }, {})], 'here')).toBe(true)
  for (const spec of [undefined, null, 'text', { taints: 'text' }, { taints: [null, 1, 'text', {}] }])
    expect(isEligible({}, spec)).toBe(true)
})

it('prefixes of pods are those of the Node of this name, in both ways in which a Node has them', () => {
  const prefixes = (spec: unknown): readonly string[] => podPrefixes([nodeOf('here', {}, spec)], 'here')
  expect(prefixes({ podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00::/64'] })).toEqual(['10.244.1.0/24', 'fd00::/64'])
  expect(prefixes({ podCIDR: '10.244.1.0/24' })).toEqual(['10.244.1.0/24'])
  for (const spec of [undefined, {}, { podCIDR: '' }, { podCIDRs: [] }, { podCIDRs: [1, null] }, { podCIDRs: 'a' }])
    expect(prefixes(spec)).toEqual([])
  // Kubernetes takes bits beyond the length, and a plane does not. What is no prefix would keep every plane from being opened.
  expect(prefixes({ podCIDRs: ['10.244.1.1/24', 'text', '10.244.1.0/33'] })).toEqual(['10.244.1.0/24'])
  expect(podPrefixes([nodeOf('other', {}, { podCIDR: '10.244.1.0/24' })], 'here')).toEqual([])
})
