# Builds the shipped addon. `node native/build.mjs` calls node-gyp with the right headers; switches: -Dsanitize=address,undefined, -Daddon_coverage=1
# (a variable called "coverage" would be overridden by node's own configuration).
{
  "variables": {
    "sanitize%": "",
    "addon_coverage%": 0,
  },
  "targets": [
    {
      "target_name": "netplane",
      "sources": [
        "<!@(ls native/*/*.cc | grep -v -e ^native/test/ -e ^native/fuzz/)",
      ],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "NETPLANE_VERSION=\"<!(node -p \"require('./package.json').version\")\"",
      ],
      "cflags!": ["-fno-omit-frame-pointer"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions"],
      "cflags_cc": [
        "-std=c++20", "-O2", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-fvisibility-inlines-hidden",
        "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Wconversion", "-Wno-cast-function-type",
      ],
      # libgcc_s stays shared: Node itself needs it, and the static one asks for a newer glibc (_dl_find_object, 2.35).
      "ldflags": [
        # now: a symbol that Node lacks fails the loading, not the first call.
        "-static-libstdc++", "-Wl,--gc-sections", "-Wl,-z,now",
        "-Wl,--version-script=<(module_root_dir)/native/addon/exports.map",
      ],
      "conditions": [
        ["sanitize!=''", {
          # vptr checks need RTTI. Stacks need lines, and nothing else that a debugger would.
          "cflags_cc": [
            "-fsanitize=<(sanitize)", "-fno-sanitize=vptr", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1", "-O1",
          ],
          "ldflags!": ["-static-libstdc++"],
          "ldflags": ["-fsanitize=<(sanitize)"],
        }],
        ["addon_coverage==1", {
          "cflags_cc": ["--coverage", "-O0", "-g"],
          "ldflags": ["--coverage"],
        }],
      ],
    }
  ],
}
