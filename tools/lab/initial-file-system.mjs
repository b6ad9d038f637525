// The file system from which a kernel of Debian starts: busybox and the few modules that it needs to see the machine's own file system.
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { findProgram } from './programs.mjs'

const execute = promisify(execFile)

/** The first process; the kernel gives it `lab_init`, the one that takes over on the machine's file system (init). */
const script = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
for module in /modules/*; do /bin/busybox insmod "$module"; done
/bin/busybox mount -t virtiofs rootfs /mnt || echo "the machine's file system cannot be mounted"
exec /bin/busybox switch_root /mnt "$lab_init"
`

const decompress = {
  '.ko': (file) => readFileSync(file),
  '.xz': (file) => execFileSync('xz', ['--decompress', '--stdout', file], { maxBuffer: 1 << 28 }),
  '.gz': (file) => gunzipSync(readFileSync(file)),
  '.zst': (file) => execFileSync('zstd', ['--decompress', '--stdout', file], { maxBuffer: 1 << 28 })
}

/** Files of the modules that must be loaded, in that order. */
async function moduleFiles(root, release) {
  const argv = ['--dirname', root, '--set-version', release, '--show-depends', '--all', 'virtio_pci', 'virtiofs']
  const { stdout } = await execute('modprobe', argv, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
  const files = [...stdout.matchAll(/^insmod (\S+)/gm)].map(([, file]) => file)
  return [...new Set(files)]
}

/**
 * @param {string} folder in which it may work
 * @param {string} root the folder that has lib/modules
 * @param {string} release of the kernel
 * @returns {Promise<Buffer>} a compressed cpio archive
 */
export async function buildInitialFileSystem(folder, root, release) {
  const tree = path.join(folder, 'initial')
  for (const name of ['bin', 'proc', 'mnt', 'modules']) mkdirSync(path.join(tree, name), { recursive: true })
  copyFileSync(findProgram('busybox'), path.join(tree, 'bin', 'busybox'))
  writeFileSync(path.join(tree, 'init'), script)
  for (const name of ['bin/busybox', 'init']) chmodSync(path.join(tree, name), 0o755)
  for (const [index, file] of (await moduleFiles(root, release)).entries()) {
    const name = path.basename(file).replace(/\.(xz|gz|zst)$/, '')
    // Their order is that of their names.
    writeFileSync(path.join(tree, 'modules', `${String(index).padStart(3, '0')}-${name}`), decompress[path.extname(file)](file))
  }
  const files = readdirSync(tree, { recursive: true }).sort()
  const archive = execFileSync('cpio', ['--create', '--format=newc', '--quiet'], {
    cwd: tree,
    input: `${files.join('\n')}\n`,
    maxBuffer: 1 << 28
  })
  return gzipSync(archive, { level: 1 })
}
