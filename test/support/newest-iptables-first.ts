// Before each file of the project `newest-iptables`: its tests run the programs of the newest iptables in place of this machine's. Fails where that has not been fetched.
import path from 'node:path'
import process from 'node:process'
import { newestIptables } from '../../tools/lab/newest-iptables.mjs'

process.env['PATH'] = [newestIptables.require(), process.env['PATH']].join(path.delimiter)
