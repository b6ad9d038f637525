import type { Nftables } from '../../../nftables/index.js'
import type { Findings, Question } from '../../core/explain/explain.js'
import type { IptablesPlaneSettings } from '../options.js'
export class Explainer {
  constructor(_nft: Nftables, _settings: IptablesPlaneSettings) {}
  explain(_question: Question): Promise<Findings> {
    return Promise.reject(new Error('not yet'))
  }
}
