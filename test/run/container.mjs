import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { exec } from './exec.mjs'
import { countVitest, describeSlowest } from './report.mjs'
import { filesOfSuites, notInContainer } from './suites.mjs'
import { sayWhatIsElsewhere, vitestCommand } from './vitest.mjs'

/**
 * The script that starts the container, in a private mount namespace. The container's file system is this machine's own under an overlay whose
 * writable layer is a tmpfs, so nothing is downloaded and nothing is written to the host; the results folder alone is shared.
 * podman would copy what /tmp and /run have, and fail where another program removes some of it meanwhile: `notmpcopyup`.
 * $1 is an empty folder, $2 the repository, $3 the results folder; then the command.
 */
const script = `set -eu
state=$1 project=$2 results=$3; shift 3
mount -t tmpfs tmpfs "$state"
# podman keeps locks and a log of events there.
mount -t tmpfs tmpfs /run
overlay() { # LOWER NAME: an overlay at $state/NAME
  mkdir -p "$state/$2" "$state/$2.upper" "$state/$2.work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$state/$2.upper,workdir=$state/$2.work" "$state/$2"
}
overlay / rootfs
overlay "$project" project
mkdir -p "$state/rootfs$project" "$state/rootfs$results" "$state/empty"
# crun 1.8 refuses hybrid cgroups, even when it is told not to use any.
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
exec podman --root "$state/storage" --runroot "$state/run" --storage-driver vfs run --rm --privileged --network none --cgroups=disabled \
  --runtime crun --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --tmpfs /tmp:rw,notmpcopyup --tmpfs /run:rw,notmpcopyup \
  --volume "$state/project:$project" --volume "$results:$results" --workdir "$project" \
  --env NETPLANE_TEST_NAMESPACE=container --env NO_COLOR=1 --env HOME=/tmp --env PATH --rootfs "$state/rootfs" \
  sh -c 'mkdir -p /run/netns && ip link set lo up && exec "$@"' sh "$@"
`

/**
 * Runs the kernel suite once more in a privileged container, but for what takes long.
 * @param {import('./stages.mjs').Context} context
 * @returns {Promise<import('./report.mjs').Count>}
 */
export async function runContainer(context) {
  const state = mkdtempSync(path.join(os.tmpdir(), 'netplane-container-'))
  const results = mkdtempSync(path.join(os.tmpdir(), 'netplane-results-'))
  try {
    const { report, argv } = vitestCommand({ ...context, results }, 'container', ['contract', 'kernel'])
    sayWhatIsElsewhere(context)
    const left = notInContainer(filesOfSuites(context.root))
    console.log(`runs elsewhere (\`npm run test:kernel\` runs it on this kernel): ${left.join(' ')}`)
    const file = path.join(results, 'run')
    writeFileSync(file, script)
    const { status } = await exec(['unshare', '--mount', '--propagation', 'private', 'sh', file, state, context.root, results, ...argv], {
      // On a busy machine it takes ten minutes.
      timeoutSeconds: 1200,
      cwd: '/',
      // Other stages run meanwhile.
      quiet: true
    })
    const count = countVitest(report, status)
    console.log(`container: what took longest: ${describeSlowest(count.files, context.root)}`)
    return count
  } finally {
    rmSync(results, { recursive: true, force: true })
    rmSync(state, { recursive: true, force: true })
  }
}
