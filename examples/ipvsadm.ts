/**
 * ipvsadm(8) on netplane: the same command lines, listings and exit statuses; `-R` in few system calls. See ipvsadm/usage.ts.
 */
import { Ipvs } from 'netplane'
import { SystemNames } from './ipvsadm/names.js'
import { runIpvsadm } from './ipvsadm/run.js'

process.exitCode = await runIpvsadm(process.argv.slice(2), {
  open: () => Ipvs.open(),
  names: new SystemNames(),
  input: process.stdin,
  output: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text)
})
