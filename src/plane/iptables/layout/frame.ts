/**
 * What is there for all services together.
 */
import type { IptablesFamily } from '../../../iptables/index.js'
import type { LayoutSettings, NodePlaces } from './settings.js'
import type { Frame } from './types.js'

/** What is there for all services of a family. */
export declare function frameOf(family: IptablesFamily, settings: LayoutSettings, node: NodePlaces): Frame
