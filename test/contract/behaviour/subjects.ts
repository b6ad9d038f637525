// Everything that the rows run on.
import { planes } from './planes.js'
import { kubeProxy } from './reference/subject.js'
import type { Subject } from './run.js'

/** The planes, and what shows that the rows are right. */
export const subjects: readonly Subject[] = [...planes, kubeProxy()]
