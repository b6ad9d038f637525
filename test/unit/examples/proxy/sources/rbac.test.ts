import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { expect, it } from 'vitest'
import { resourcesOf } from '../../../../../examples/proxy/sources/api/resources.js'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

it('is a role of what the proxy asks for, and of nothing else', () => {
  const text = readFileSync(new URL('../../../../../examples/proxy/deploy/rbac.yaml', import.meta.url), 'utf8')
  const documents = parseAllDocuments(text).map((document) => document.toJS() as { kind: string; rules?: readonly Rule[] })
  expect(documents.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding'])
  const granted = documents[1]!.rules!.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)))
  )
  const asked = resourcesOf('here').flatMap(({ path }) => {
    const words = path.split('/')
    const group = words[1] === 'apis' ? words[2] : ''
    return ['list', 'watch'].map((verb) => `${verb} ${group}/${words.at(-1)}`)
  })
  const written = ['create', 'patch'].map((verb) => `${verb} events.k8s.io/events`)
  expect(granted.sort()).toEqual([...asked, ...written].sort())
})
