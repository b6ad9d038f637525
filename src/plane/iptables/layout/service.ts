/**
 * One service as rules.
 */
import type { Service } from '../../model.js'
import type { LayoutSettings, NodePlaces } from './settings.js'
import type { ServiceRules } from './types.js'

/** What a service becomes, by family: one for each that it has anything in. */
export declare function serviceRules(service: Service, settings: LayoutSettings, node: NodePlaces): readonly ServiceRules[]
