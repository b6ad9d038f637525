import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { background } from '../support/background.js'
import { attempt, run, type Background, type Finished } from '../support/run.js'

const root = path.resolve(import.meta.dirname, '../..')

/** A machine that is busy with other stages takes a hundred megabytes for much. */
export const BUSY_MS = 120_000

/** The folder of what is deployed. */
export const DEPLOY = path.join(root, 'examples', 'proxy', 'deploy')

/** What stands in a container of daemonset.yaml, as far as the tests look into it. */
export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly env?: readonly { readonly name: string }[]
  readonly securityContext: {
    readonly privileged?: boolean
    readonly readOnlyRootFilesystem?: boolean
    readonly capabilities?: { readonly drop: readonly string[]; readonly add: readonly string[] }
  }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
}

/** A container of daemonset.yaml. */
export function containerOf(name: string): ContainerSpec {
  const { spec } = (
    parse(readFileSync(path.join(DEPLOY, 'daemonset.yaml'), 'utf8')) as {
      readonly spec: { readonly template: { readonly spec: Record<'initContainers' | 'containers', readonly ContainerSpec[]> } }
    }
  ).spec.template
  return [...spec.initContainers, ...spec.containers].find((container) => container.name === name)!
}

/** What a container gets from its surroundings. */
export interface Surroundings {
  /** The network namespace, by its path. */
  readonly network: string
  /** Folders of this machine, by the names of the volumes. */
  readonly volumes: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

/** Options of `podman run` that say the same as a container of a pod does. */
function optionsOf({ env = [], securityContext, volumeMounts }: ContainerSpec, around: Surroundings): string[] {
  const { privileged = false, readOnlyRootFilesystem = false, capabilities } = securityContext
  return [
    ...['--network', `ns:${around.network}`],
    ...(privileged ? ['--privileged'] : []),
    // podman would put file systems that can be written over /tmp and /run, which no kubelet does.
    ...(readOnlyRootFilesystem ? ['--read-only', '--read-only-tmpfs=false'] : []),
    ...(capabilities?.drop ?? []).flatMap((name) => ['--cap-drop', name]),
    ...(capabilities?.add ?? []).flatMap((name) => ['--cap-add', name]),
    ...env.flatMap(({ name }) => ['--env', `${name}=${around.env![name]!}`]),
    ...volumeMounts.flatMap(({ name, mountPath, readOnly = false }) => [
      '--volume',
      `${around.volumes[name]!}:${mountPath}${readOnly ? ':ro' : ''}`
    ])
  ]
}

/** A kubelet puts variables into arguments. */
function argumentsOf({ args }: ContainerSpec, { env = {} }: Surroundings): string[] {
  return args.map((word) => word.replaceAll(/\$\((\w+)\)/g, (_, name: string) => env[name]!))
}

/** podman with images and containers of its own, below /run: they go with the namespaces of the tests. */
export class Podman {
  readonly folder = mkdtempSync('/run/netplane-image-')
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    const place = (name: string): string => path.join(this.folder, name)
    // Nothing of what a machine is configured to: neither its driver of storage, nor its cgroups, nor a journal.
    writeFileSync(
      place('storage.conf'),
      `[storage]\ndriver = "overlay"\ngraphroot = "${place('storage')}"\nrunroot = "${place('state')}"\n`
    )
    writeFileSync(
      place('containers.conf'),
      '[containers]\ncgroups = "disabled"\n[engine]\nruntime = "crun"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
    )
    this.#env = {
      ...process.env,
      CONTAINERS_STORAGE_CONF: place('storage.conf'),
      CONTAINERS_CONF: place('containers.conf'),
      TMPDIR: this.folder
    }
  }

  /** Runs the program that makes the image, and returns what it prints. */
  async makeImage(...options: string[]): Promise<string> {
    return await run(process.execPath, [path.join(DEPLOY, 'image.mjs'), ...options], { env: this.#env, timeoutMs: BUSY_MS })
  }

  async run(...args: string[]): Promise<string> {
    return await run('podman', args, { env: this.#env, timeoutMs: BUSY_MS })
  }

  async attempt(...args: string[]): Promise<Finished> {
    return await attempt('podman', args, { env: this.#env, timeoutMs: BUSY_MS })
  }

  /** Starts a container of the DaemonSet. @param options More of `podman run`. */
  start(name: string, around: Surroundings, options: readonly string[] = []): Background {
    const spec = containerOf(name)
    const args = ['run', '--rm', '--name', name, ...optionsOf(spec, around), ...options, spec.image, ...argumentsOf(spec, around)]
    return background('podman', args, { env: this.#env })
  }
}
